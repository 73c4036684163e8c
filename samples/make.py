"""Makes the invented samples: `python -m samples.make [FOLDER]`. The same bytes on every run.

People, policies and claims are inventions: staff numbers E10xx, policy numbers SAMPLE-…, claims TEST-….
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xlsxwriter import Workbook  # type: ignore[import-untyped]

HERE = Path(__file__).resolve().parent
MADE = datetime(2025, 1, 2, 9, 0, 0)  # noqa: DTZ001  the file format knows no time zone
FIRST_DAY = date(2024, 1, 3)
Cell = str | int | date | None

EMPLOYEES = {
    "E1001": "김가람",
    "E1002": "이나래",
    "E1003": "박다솜",
    "E1004": "최라온",
    "E1005": "정마루",
    "E1006": "강바다",
    "E1007": "조새벽",
    "E1008": "윤아라",
    "E1009": "장하늘",
    "E1010": "임푸른",
    "E1011": "Alex Sample",
    "E1012": "Robin Placeholder",
}

PREMIUM_HEADER = ("사번", "성명", "보험종류", "증권번호", "월보험료", "가입일", "비고")
# 보험종류, 월보험료, 비고
PREMIUM_KINDS: tuple[tuple[str, int, tuple[str, ...]], ...] = (
    ("실손의료보험", 21_500, ("통원 치료비 자기부담 20%", "입원비 보장 확대 신청함", "배우자 함께 가입")),
    ("암보험", 38_200, ("진단금 3천만 원", "가족력 고지 완료", "갱신형, 만 80세까지")),
    ("치아보험", 17_900, ("임플란트와 크라운 보장", "스케일링 연 1회 포함", "면책 기간 90일 경과")),
    ("운전자보험", 12_400, ("교통사고 합의금 보장", "출퇴근 차량 등록", "벌금 특약 추가")),
    ("연금저축보험", 150_000, ("연말정산 세액공제 대상", "납입 기간 10년", "회사 지원 50%")),
    ("상해보험", 9_800, ("골절 진단비 포함", "등산과 자전거 특약", "출장 중 사고 보장")),
    ("자녀보험", 26_700, ("자녀 두 명 등록", "입학 축하금 특약", "소아 치과 특약")),
)

CLAIM_HEADER = ("Claim no.", "Received", "Line", "What happened", "Place", "Amount claimed", "Status", "Handler's note")
# line, what happened, amount, note
CLAIM_KINDS: tuple[tuple[str, str, int, str], ...] = (
    (
        "Household",
        "A pipe burst in the bathroom and water ran through the ceiling below",
        3_200,
        "plumber's report asked",
    ),
    ("Household", "Burglars broke a window and took jewellery and a laptop", 5_450, "police report received"),
    ("Household", "A frying pan caught fire and the kitchen was blackened by smoke", 7_900, "surveyor booked"),
    ("Household", "Hail cracked the roof tiles and a skylight", 2_150, "photos received"),
    ("Motor", "Rear-end collision at a red light, bumper and tail lamp damaged", 1_380, "other driver at fault"),
    ("Motor", "A deer ran into the car at night, bonnet and headlight broken", 2_640, "garage estimate received"),
    ("Motor", "A stone from a lorry cracked the windscreen on the motorway", 420, "direct repair agreed"),
    ("Motor", "The parked car was scratched along both doors by unknown persons", 960, "excess applies"),
    ("Travel", "Suitcase did not arrive, clothes had to be bought on the spot", 610, "airline form missing"),
    ("Travel", "Trip cancelled because of appendicitis two days before departure", 1_890, "doctor's letter received"),
    ("Travel", "Flight was delayed by fourteen hours, hotel night paid by the traveller", 240, "receipts complete"),
    ("Health", "Fell from a ladder and broke the left wrist, three days in hospital", 4_100, "hospital bill received"),
    ("Health", "Root canal treatment and a crown on a molar", 870, "dentist's plan approved"),
    ("Liability", "Child kicked a football through the neighbour's greenhouse", 330, "neighbour's invoice received"),
    ("Liability", "Dog bit a cyclist in the calf, trousers and treatment to pay", 540, "witness to be heard"),
)
PLACES = ("Harbour branch", "Hill branch", "Old Town branch", "Airport branch")
STATES = ("paid", "open", "waiting for papers", "refused in part")

COVERAGE_HEADER_KO = ("상품코드", "보장명", "보장내용", "한도")
# Some coverages are on one sheet only, so a question in the other language has to cross over to find them.
COVERAGES_KO: tuple[tuple[str, str, str], ...] = (
    ("누수 피해", "배관이 터져 집 안이 물에 잠기거나 아래층에 물이 샌 손해를 보상합니다", "1,000만 원"),
    ("화재 손해", "불이 나서 건물과 가재도구가 타거나 그을린 손해를 보상합니다", "2억 원"),
    ("도난 손해", "집에 도둑이 들어 귀중품과 전자제품을 잃어버린 손해를 보상합니다", "500만 원"),
    ("골절 진단비", "뼈가 부러졌다는 진단을 받으면 진단비를 지급합니다", "50만 원"),
    ("암 진단비", "암으로 처음 진단이 확정되면 진단비를 지급합니다", "3,000만 원"),
    ("임플란트 치료비", "이를 뽑고 임플란트를 심은 치과 치료비를 지급합니다", "개당 100만 원"),
    ("입원 일당", "병원에 입원하면 하루마다 정해진 금액을 지급합니다", "1일 5만 원"),
    ("벌금", "운전 중 사고로 벌금을 내게 되면 그 금액을 보상합니다", "2,000만 원"),
    ("휴대전화 파손", "스마트폰을 떨어뜨려 화면이 깨지면 수리비를 보상합니다", "30만 원"),
    ("반려동물 치료비", "강아지나 고양이가 아파서 동물병원에 가면 치료비를 보상합니다", "200만 원"),
    ("육아휴직 소득 보장", "아이를 돌보려고 휴직한 동안 줄어든 급여의 일부를 지급합니다", "월 80만 원"),
    ("지진 손해", "지진으로 건물이 무너지거나 금이 간 손해를 보상합니다", "1억 원"),
    ("장례비", "가입자가 사망하면 유족에게 장례 비용을 지급합니다", "500만 원"),
    ("식중독 위로금", "상한 음식을 먹고 식중독에 걸리면 위로금을 지급합니다", "20만 원"),
)
COVERAGE_HEADER_EN = ("Product code", "Coverage", "What is covered", "Limit")
COVERAGES_EN: tuple[tuple[str, str, str], ...] = (
    ("Burst pipes", "We pay for water damage in your home and in the flat below after a pipe bursts", "USD 8,000"),
    ("Fire", "We pay for buildings and belongings that were burnt or damaged by smoke", "USD 150,000"),
    ("Burglary", "We pay for valuables and electronics stolen by someone who broke into your home", "USD 4,000"),
    ("Broken bones", "We pay a fixed sum when a doctor finds that a bone is fractured", "USD 400"),
    ("Lost luggage", "We pay for your suitcase and clothes when the airline loses your baggage", "USD 1,200"),
    ("Flight delay", "We pay for meals and a hotel when your flight is delayed for more than six hours", "USD 300"),
    ("Trip cancellation", "We pay back the trip when you fall ill and cannot travel", "USD 3,000"),
    ("Stolen bicycle", "We pay for your bicycle when it was locked and stolen", "USD 900"),
    ("Legal costs", "We pay for a lawyer when you are taken to court", "USD 10,000"),
    ("Cyber fraud", "We pay back money that was taken from your bank account by hackers", "USD 5,000"),
    ("Snow and ice", "We pay when somebody slips on the icy pavement before your house", "USD 20,000"),
    ("Musical instruments", "We pay for the repair of a violin or piano that was damaged", "USD 2,500"),
    ("Wedding", "We pay back what you spent when a wedding has to be called off", "USD 6,000"),
    ("Crop failure", "We pay farmers when drought or frost destroys the harvest", "USD 40,000"),
)


def premium_rows() -> list[tuple[Cell, ...]]:
    """55 rows of known employees, 3 of numbers nobody has, 2 that repeat another row cell by cell."""
    people = list(EMPLOYEES.items())
    rows: list[tuple[Cell, ...]] = []
    for i in range(55):
        number, name = people[i % len(people)]
        kind, premium, notes = PREMIUM_KINDS[(i % len(people) + i // len(people)) % len(PREMIUM_KINDS)]
        rows.append(
            (
                number,
                name,
                kind,
                f"SAMPLE-{2024 + i % 2}-{i + 1:04d}",
                premium + 300 * (i % 9),
                FIRST_DAY + timedelta(days=9 * i),
                notes[i % len(notes)],
            )
        )
    rows[17:17] = [
        ("E1098", "한여울", "상해보험", "SAMPLE-2024-0901", 9_800, date(2024, 6, 3), "지난달 퇴사, 해지 예정")
    ]
    rows[35:35] = [
        ("E1O04", "최라온", "자녀보험", "SAMPLE-2024-0902", 26_700, date(2024, 9, 2), "사번에 숫자 0 대신 글자 O")
    ]
    rows.append(("E1099", "서노을", "암보험", "SAMPLE-2025-0903", 38_200, date(2025, 1, 2), "신입, 직원 명부 등록 전"))
    rows += [rows[4], rows[22]]
    return rows


def claim_rows() -> list[tuple[Cell, ...]]:
    """60 claims: each kind of mishap at each branch."""
    return [
        (
            f"TEST-{7001 + i}",
            FIRST_DAY + timedelta(days=4 * i),
            line,
            happened,
            PLACES[i % len(PLACES)],
            amount + 35 * (i % 11),
            STATES[(i * 3 + i // 7) % len(STATES)],
            note,
        )
        for i in range(60)
        for line, happened, amount, note in [CLAIM_KINDS[i % len(CLAIM_KINDS)]]
    ]


def coverage_rows(prefix: str, coverages: Sequence[tuple[str, str, str]]) -> list[tuple[Cell, ...]]:
    return [(f"{prefix}-{i:02d}", *coverage) for i, coverage in enumerate(coverages, start=1)]


def make(folder: Path) -> list[Path]:
    """Write every made sample into `folder`; returns their paths."""
    return [
        _workbook(
            folder / "premiums_ko.xlsx",
            {"보험료": ("2025년 1월 직원 보험료 명세 (예시 자료)", PREMIUM_HEADER, premium_rows())},
        ),
        _workbook(folder / "claims_en.xlsx", {"Claims": (None, CLAIM_HEADER, claim_rows())}),
        _workbook(
            folder / "policies_ko_en.xlsx",
            {
                "국문": (None, COVERAGE_HEADER_KO, coverage_rows("KO", COVERAGES_KO)),
                "English": (None, COVERAGE_HEADER_EN, coverage_rows("EN", COVERAGES_EN)),
            },
        ),
        _employees(folder / "employees.csv"),
    ]


def _employees(path: Path) -> Path:
    lines = ["employeeNumber,name", *(f"{number},{name}" for number, name in EMPLOYEES.items())]
    path.write_bytes(("\n".join(lines) + "\n").encode())
    return path


Sheet = tuple[str | None, Sequence[str], Sequence[Sequence[Cell]]]


def _workbook(path: Path, sheets: dict[str, Sheet]) -> Path:
    """A workbook of (title or None, header, rows) by sheet name; a title is followed by a blank row."""
    from xlsxwriter import Workbook

    with Workbook(str(path), {"in_memory": True, "default_date_format": "yyyy-mm-dd"}) as book:
        book.set_properties({"title": path.stem, "author": "Rowline samples", "created": MADE})
        for name, (title, header, rows) in sheets.items():
            _sheet(book, name, title, header, rows)
    return path


def _sheet(book: Workbook, name: str, title: str | None, header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    sheet = book.add_worksheet(name)
    top = 0
    if title:
        sheet.write_string(0, 0, title, book.add_format({"bold": True, "font_size": 14}))
        top = 2
    sheet.write_row(top, 0, header, book.add_format({"bold": True, "bottom": 1}))
    number = book.add_format({"num_format": "#,##0"})
    for i, row in enumerate(rows, start=top + 1):
        for column, cell in enumerate(row):
            style: Any = number if isinstance(cell, int) else None
            sheet.write(i, column, cell, style)
    sheet.freeze_panes(top + 1, 0)
    sheet.autofit()


if __name__ == "__main__":
    for path in make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE):
        print(f"{path}  {path.stat().st_size:,} bytes")
