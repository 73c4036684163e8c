"""Templates: what is refused and how it is said, which columns are found, what text a row becomes."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from domain.documents.templates import (
    RagConfig,
    TemplateMismatch,
    WorkbookTemplate,
    mapped_columns,
    needed_columns,
    parse_template,
    template_of,
    text_of,
)
from domain.errors import InvalidRequest
from tests.domain.documents.examples import any_text, patiently, template

WHOLE = {
    "name": "급여",
    "sheet": "2024년",
    "headerRow": 3,
    "columnMapping": {"사원번호": "employeeNumber", "성 명": "name"},
    "employeeIdentifier": "employeeNumber",
    "keyColumns": ["employeeNumber"],
    "ragConfig": {"embeddingTemplate": "{{name}}", "metadataFields": ["name"], "skipDuplicates": False},
}


def filled(pattern: str | None, header: list[str], cells: list[str], mapping: dict[str, str] | None = None) -> str:
    chosen = template(pattern, column_mapping=mapping or {})
    return text_of(chosen, mapped_columns(chosen, header, "Sheet1"))(cells)


# -- parsing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [json.dumps(WHOLE), json.dumps(WHOLE, indent=2), yaml.safe_dump(WHOLE)])
def test_json_and_yaml_say_the_same(text: str) -> None:
    parsed = parse_template(text, "t")
    assert parsed.as_json() == WHOLE
    assert parsed.rag_config.skip_duplicates is False


def test_json_indented_with_tabs_is_json_too() -> None:
    """YAML forbids tabs, JSON does not; editors write JSON with tabs."""
    assert parse_template(json.dumps(WHOLE, indent="\t"), "t.json").as_json() == WHOLE


def test_json_escapes_beyond_the_first_plane_stay_one_character() -> None:
    """`json.dumps` writes 😀 as two halves; two lone halves could never be stored."""
    assert parse_template(json.dumps({"name": "급여 😀"}), "t.json").name == "급여 😀"


def test_the_empty_template_reads_any_table() -> None:
    parsed = parse_template("{}", "t")
    assert parsed == WorkbookTemplate()
    assert needed_columns(parsed) == ()


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("headerRow", "headerRow: 0"),
        ("headerRow", "headerRow: first"),
        ("name", "name: ''"),
        ("name", f"name: {'x' * 201}"),
        ("colums", "colums: {a: b}"),
        ("columnMapping", "columnMapping: [a, b]"),
        ("columnMapping.번호", "columnMapping: {번호: 7}"),
        ("keyColumns", "keyColumns: number"),
        ("ragConfig.embedTemplate", "ragConfig: {embedTemplate: x}"),
        ("ragConfig.skipDuplicates", "ragConfig: {skipDuplicates: perhaps}"),
        ("ragConfig.metadataFields.1", "ragConfig: {metadataFields: [a, [b]]}"),
        ("ragConfig", "ragConfig: none of it"),
    ],
)
def test_a_wrong_field_is_named(field: str, text: str) -> None:
    """Law 7: the file and the field, never a traceback."""
    with pytest.raises(InvalidRequest) as told:
        parse_template(text, "payroll.yaml")
    assert str(told.value).startswith(f"payroll.yaml: {field}: ")
    assert "pydantic" not in str(told.value)


def test_all_wrong_fields_are_named_at_once() -> None:
    with pytest.raises(InvalidRequest, match=r"^t: headerRow: .*; keyColumns: .*; colour: "):
        parse_template("{headerRow: 0, keyColumns: 1, colour: red}", "t")


def test_text_that_is_neither_yaml_nor_json_is_told_with_its_line() -> None:
    with pytest.raises(InvalidRequest, match=r"^t\.yaml is neither YAML nor JSON near line 3;"):
        parse_template("name: a\nsheet: b\n  headerRow: {\n", "t.yaml")


@pytest.mark.parametrize("text", ["", "just words", "[1, 2]", "7", "null"])
def test_a_file_that_holds_no_template_is_told_so(text: str) -> None:
    with pytest.raises(InvalidRequest, match="t must hold one template"):
        parse_template(text, "t")


@pytest.mark.parametrize("text", ["name: 2024-13-45", "[" * 1500, "name: \x00", "a: &a [*a]", "? [a]\n: b"])
def test_hostile_text_is_a_sentence_and_no_traceback(text: str) -> None:
    """A date that no calendar has, nesting without end, control characters, a template that holds itself."""
    with pytest.raises(InvalidRequest, match=r"^t\b"):
        parse_template(text, "t")


@patiently
@given(any_text)
def test_no_text_leads_to_anything_but_a_template_or_a_sentence(text: str) -> None:
    outcome: object
    try:
        outcome = parse_template(text, "t")
    except InvalidRequest as error:
        outcome = str(error)
    assert isinstance(outcome, WorkbookTemplate) or str(outcome).startswith("t")


def test_a_template_survives_being_stored() -> None:
    stored = json.loads(json.dumps(template_of(WHOLE).as_json()))
    assert template_of(stored) == template_of(WHOLE)


# -- columns ----------------------------------------------------------------------------------------------------


def test_columns_are_found_by_their_field_and_by_their_header() -> None:
    chosen = template(column_mapping={"성 명": "name"})
    columns = mapped_columns(chosen, ["사원번호", "성 명"], "Sheet1")
    assert columns.names == ("사원번호", "name")
    assert columns.positions == {"사원번호": 0, "성 명": 1, "name": 1}


def test_where_a_field_and_a_header_share_a_name_the_field_is_meant() -> None:
    columns = mapped_columns(template(column_mapping={"a": "b", "b": "a"}), ["a", "b"], "Sheet1")
    assert columns.names == ("b", "a")
    assert columns.positions == {"a": 1, "b": 0}


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(TemplateMismatch, match="Template default, sheet 2024: two columns are both named name"):
        mapped_columns(template(column_mapping={"성명": "name"}), ["성명", "name"], "2024")


def test_a_missing_column_is_told_with_the_columns_that_are_there() -> None:
    chosen = template("{{price}} {{colour}}", name="stock")
    with pytest.raises(TemplateMismatch) as told:
        mapped_columns(chosen, ["품목", "price"], "재고")
    assert str(told.value) == (
        "Sheet 재고 has no column colour, which template stock needs; its columns are 품목, price"
    )


def test_a_mapping_for_a_header_that_is_not_there_harms_nobody() -> None:
    """One template serves sheets of several years, whose headers differ."""
    assert mapped_columns(template(column_mapping={"gone": "x"}), ["a"], "Sheet1").names == ("a",)


def test_needed_columns_come_once_in_the_order_of_mention() -> None:
    chosen = template("{{ c }}: {{a}}, {{c}}", metadata=("m", "a"), employee_identifier="e", key_columns=("k", "e"))
    assert needed_columns(chosen) == ("e", "k", "c", "a", "m")


# -- text -------------------------------------------------------------------------------------------------------


def test_the_embedding_template_is_filled() -> None:
    """Korean names, blanks inside a name and around it."""
    header = ["제품 명", "가격", "비고"]
    assert filled("{{제품 명}} – {{  가격 }}원", header, ["사과", "1,000", "x"]) == "사과 – 1,000원"


def test_a_mapped_column_is_filled_by_either_name() -> None:
    mapping = {"제품 명": "product"}
    assert filled("{{product}}/{{제품 명}}", ["제품 명"], ["사과"], mapping) == "사과/사과"


def test_an_empty_cell_leaves_its_place_empty() -> None:
    assert filled("[{{a}}] [{{b}}]", ["a", "b"], ["", "2"]) == "[] [2]"


def test_a_row_without_a_cell_for_any_place_has_no_text() -> None:
    """What is left would be the template's own words, the same vector for every such row."""
    assert filled("Name: {{a}}, price: {{b}}", ["a", "b", "c"], ["", "", "3"]) == ""


def test_a_cell_that_looks_like_a_place_is_data() -> None:
    """What a sender writes into a cell never reaches into another column."""
    assert filled("{{a}}!", ["a", "b"], ["{{b}}", "secret"]) == "{{b}}!"


def test_without_a_template_each_cell_is_a_line_with_its_column() -> None:
    assert filled(None, ["성명", "부서"], ["김", "영업"]) == "성명: 김\n부서: 영업"
    assert filled(None, ["성명", "부서"], ["김", "영업"], {"부서": "department"}) == "성명: 김\ndepartment: 영업"


@patiently
@given(st.lists(st.tuples(st.text("abc가", min_size=1), st.text("xyz나 ", max_size=5)), unique_by=lambda cell: cell[0]))
def test_the_text_holds_every_cell_that_is_not_empty_and_no_other(cells: list[tuple[str, str]]) -> None:
    text = filled(None, [name for name, _ in cells], [value for _, value in cells])
    assert text.split("\n") == ([f"{name}: {value}" for name, value in cells if value] or [""])


def test_the_text_of_a_row_is_stripped() -> None:
    assert filled("  {{a}}\n", ["a"], ["x"]) == "x"


def test_rag_config_defaults_are_those_of_the_notes() -> None:
    assert RagConfig() == RagConfig(embedding_template=None, metadata_fields=(), skip_duplicates=True)
