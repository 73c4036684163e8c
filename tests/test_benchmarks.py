"""The benchmarks measure what they say they measure. Nothing here looks at a clock."""

from pathlib import Path

import pytest

from benchmarks import comparison, generator, life, report


def test_the_list_a_month_later_changes_and_loses_what_it_says():
    lists = generator.make_lists(2_000)
    facts = generator.facts_of(lists)
    # 2 % copies; 1 % changed; 0.5 % gone, one in ten of those the first of two copies, whose text stays
    assert facts == generator.Facts(
        rows_v1=2_000, texts_v1=1_960, rows_v2=1_990, texts_v2=1_951, new_texts=20, gone_texts=29
    )


def test_the_same_seed_gives_the_same_cells():
    assert generator.make_lists(100) == generator.make_lists(100)
    assert generator.make_lists(100) != generator.make_lists(100, seed=1)


def test_a_file_saved_again_has_the_same_cells_in_other_bytes(tmp_path: Path):
    from python_calamine import CalamineWorkbook

    files = generator.write_workbooks(tmp_path, generator.make_lists(20))
    first, resaved = (CalamineWorkbook.from_path(files[name]).get_sheet_by_index(0) for name in ("first", "resaved"))
    assert files["first"].read_bytes() != files["resaved"].read_bytes()
    assert first.to_python() == resaved.to_python()


@pytest.fixture(scope="module")
def small_comparison() -> comparison.Comparison:
    return comparison.compare(200, 1, lambda _: None)


def test_rowline_and_the_limit_ask_for_the_same_texts(small_comparison: comparison.Comparison):
    (pair,) = small_comparison.rounds
    wanted = {"first": 196, "same": 0, "resaved": 0, "changed": 2}
    assert {phase: pair.limit[phase]["inputs"] for phase in comparison.PHASES} == wanted
    assert {phase: pair.rowline["phases"][phase]["inputs"] for phase in comparison.PHASES} == wanted


def test_the_end_state_is_the_last_file(small_comparison: comparison.Comparison):
    (pair,) = small_comparison.rounds
    assert pair.rowline["end"] == {"stale": 0, "missing": 0, "texts": small_comparison.texts_at_end}


def test_the_report_shows_every_phase_and_no_path(small_comparison: comparison.Comparison, tmp_path: Path):
    path = tmp_path / "results.md"
    report.write(list(report.comparison_sections(small_comparison)), "make bench", path)
    results = path.read_text("utf-8")
    for title, target in report.TARGETS.values():
        assert title in results
        assert target in results
    assert str(Path(__file__).parents[1]) not in results


@pytest.mark.slow
def test_no_step_of_a_life_does_harm_or_pays():
    results = life.versions(200, 1, lambda _: None)["steps"]
    assert {name: step["inputs"] for name, step in results.items() if step.get("inputs")} == {
        "first": 196,
        "changed": 2,
        "other": 196,
    }
    assert results.pop("lost") == {"stale": 0, "missing": 20, "wrong": 0}
    compared = results.pop("compared")
    assert (compared["missing"], compared["repaired"]) == (20, 0)
    assert {(step["stale"], step["missing"], step["wrong"]) for step in results.values()} == {(0, 0, 0)}
    assert results["all back 0"]["vectorsRestored"] == 195  # one of the two copies that are gone from the second list
    assert results["repaired"]["repaired"] == 20


@pytest.mark.slow
def test_copied_documents_are_documents_and_cleaning_some_up_leaves_the_others_whole():
    results = life.cleaned(12, 4, lambda _: None)
    assert results["documents"] == 12
    assert (results["vectors"], results["said"]) == (4 * 9, 4 * 9)  # nine of ten rows are a document's own
    assert (results["stale"], results["missing"], results["wrong"], results["files_left"]) == (0, 0, 0, 0)
