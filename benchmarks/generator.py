"""The workbooks that are indexed: a list of insurance policies, the same list saved again, and the list a month later.

v1   rows × 12 columns, Korean and English, about 350 bytes a row; 2 % are exact copies of an earlier row.
v1b  the same cells in other bytes: saved again by somebody else.
v2   1 % of the rows changed in two cells, 0.5 % gone. One row in ten of those gone is one of two copies, so
     its text is still in the file and its vector has to stay.
The same seed gives the same cells.
"""

import csv
import datetime
import hashlib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import xlsxwriter

Cells = list[str | int]


def words(text: str) -> list[str]:
    return text.split()


HEADER = [
    "사번", "성명", "Name", "부서", "직급", "입사일", "보험종류", "증권번호",
    "월보험료(KRW)", "보장금액(KRW)", "주소", "비고/Remarks",
]  # fmt: skip
FAMILY = words("김 이 박 최 정 강 조 윤 장 임 한 오 서 신 권 황 안 송 류 홍")
GIVEN = words("민준 서연 도윤 지우 예준 하은 시우 서현 주원 지민 하준 수아 지호 지유 준서 채원")
FAMILY_EN = words("Kim Lee Park Choi Jung Kang Cho Yoon Jang Lim Han Oh Seo Shin Kwon Hwang Ahn Song Ryu Hong")
GIVEN_EN = words("Minjun Seoyeon Doyun Jiwoo Yejun Haeun Siwoo Seohyun Juwon Jimin Hajun Sua Jiho Jiyu Junseo Chaewon")
DEPARTMENT = words("인사팀 Finance 영업1팀 Claims 보험심사팀 IT운영팀 Underwriting 고객지원팀 법무팀 R&D센터")
RANK = words("사원 주임 대리 과장 차장 부장 이사")
POLICY = [
    "단체상해보험", "Group Health (단체실손)", "퇴직연금 DB", "퇴직연금 DC", "Term Life 정기보험",
    "운전자보험", "Dental Plan", "암보험 (Cancer)",
]  # fmt: skip
STREET = [
    "서울특별시 강남구 테헤란로", "부산광역시 해운대구 센텀중앙로", "대전광역시 유성구 대학로",
    "경기도 성남시 분당구 판교역로", "인천광역시 연수구 송도과학로", "광주광역시 서구 상무대로",
]  # fmt: skip
REMARK = [
    "자동이체 등록 완료", "beneficiary update pending", "배우자 피보험자 추가", "면책기간 90일 적용",
    "premium waived until next review", "전년도 청구 없음", "claim history: 2 outpatient visits",
    "부서 이동에 따른 단체 변경", "renewal notice sent by e-mail", "건강검진 결과 제출 대기",
]  # fmt: skip
FIRST_DAY = datetime.date(2001, 1, 1)
PREMIUM, REMARKS = 8, 11  # the two cells that change


@dataclass(frozen=True, slots=True)
class Lists:
    """Both versions of the list, as cells."""

    v1: list[Cells]
    v2: list[Cells]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a right index of both versions must show."""

    rows_v1: int
    texts_v1: int
    rows_v2: int
    texts_v2: int
    new_texts: int
    gone_texts: int


def employee_row(chance: random.Random, number: int) -> Cells:
    family, given = chance.randrange(len(FAMILY)), chance.randrange(len(GIVEN))
    joined = FIRST_DAY + datetime.timedelta(days=chance.randrange(9000))
    return [
        f"E{number:06d}",
        FAMILY[family] + GIVEN[given],
        f"{GIVEN_EN[given]} {FAMILY_EN[family]}",
        chance.choice(DEPARTMENT),
        chance.choice(RANK),
        joined.isoformat(),
        chance.choice(POLICY),
        f"PL-{chance.randrange(10**9):09d}",
        chance.randrange(8, 900) * 1000,
        chance.randrange(1, 500) * 1_000_000,
        f"{chance.choice(STREET)} {chance.randrange(1, 900)}, {chance.randrange(1, 40)}층",
        "; ".join(chance.sample(REMARK, 2)),
    ]


def make_lists(rows: int, seed: int = 20_26) -> Lists:
    """v1 with `rows` rows, and v2 with about 99.5 % of them."""
    chance = random.Random(seed)
    copies = rows // 50
    v1 = [employee_row(chance, number) for number in range(rows - copies)]
    copied = chance.sample(range(len(v1)), copies)
    twins = set(copied)
    alone = [str(v1[i][0]) for i in range(len(v1)) if i not in twins]
    v1 += [list(v1[i]) for i in copied]
    changed = set(chance.sample(alone, rows // 100))
    removed = rows // 200
    one_of_two = {str(v1[i][0]) for i in chance.sample(copied, removed // 10)}
    unchanged = [number for number in alone if number not in changed]
    gone = set(chance.sample(unchanged, removed - len(one_of_two)))
    return Lists(v1, list(_a_month_later(v1, changed, gone, one_of_two)))


def _a_month_later(v1: list[Cells], changed: set[str], gone: set[str], one_of_two: set[str]) -> Iterator[Cells]:
    to_drop = set(one_of_two)
    for row in v1:
        number = str(row[0])
        if number in gone:
            continue
        if number in to_drop:  # the first of the two copies; the second stays
            to_drop.discard(number)
            continue
        if number in changed:
            yield _changed(row)
        else:
            yield row


def _changed(row: Cells) -> Cells:
    cells = [*row]
    cells[PREMIUM] = int(row[PREMIUM]) + 1000
    cells[REMARKS] = f"{row[REMARKS]} / 2026 갱신"
    return cells


def facts_of(lists: Lists) -> Facts:
    before, after = set(map(text_of, lists.v1)), set(map(text_of, lists.v2))
    return Facts(len(lists.v1), len(before), len(lists.v2), len(after), len(after - before), len(before - after))


def text_of(cells: Cells) -> str:
    """The text of a row that is embedded: a `column: value` line for each cell."""
    return "\n".join(f"{name}: {cell}" for name, cell in zip(HEADER, cells, strict=True))


def digest_of(texts: Iterable[str]) -> str:
    """One short text that two sets of texts share only if they are equal."""
    digest = hashlib.sha256()
    for text in sorted(set(texts)):
        digest.update(f"{text}\0".encode())
    return digest.hexdigest()[:32]


def write_xlsx(path: Path, rows: list[Cells], author: str = "hr") -> None:
    with xlsxwriter.Workbook(str(path), {"constant_memory": True}) as book:
        book.set_properties({"author": author, "created": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)})
        sheet = book.add_worksheet("직원보험")
        for number, row in enumerate([HEADER, *rows]):
            sheet.write_row(number, 0, row)


def write_csv(path: Path, rows: list[Cells]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])


def write_workbooks(folder: Path, lists: Lists) -> dict[str, Path]:
    """The three workbooks: first, resaved, changed."""
    paths = {name: folder / f"{name}.xlsx" for name in ("first", "resaved", "changed")}
    write_xlsx(paths["first"], lists.v1)
    write_xlsx(paths["resaved"], lists.v1, author="somebody else")
    write_xlsx(paths["changed"], lists.v2)
    return paths
