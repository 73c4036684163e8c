"""The registry: which events start what, with their payloads and settings (A6)."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from domain.access.api_keys import Caller
from domain.events.registry import registry_json
from gateway.http.auth.callers import needs

router = APIRouter(tags=["events"])


class Trigger(BaseModel):
    event: str


class FunctionSettings(BaseModel):
    """How a function works: retries after a passing failure, how many at once, what cancels it."""

    retries: int
    concurrency: int | None
    batchEvents: dict[str, int]
    cancelOn: list[dict[str, str]]


class Function(BaseModel):
    """What an event starts. `payload` is the JSON Schema of the event's `data`."""

    name: str
    description: str
    triggers: list[Trigger]
    starts: str
    payload: dict[str, Any]
    settings: FunctionSettings


class App(BaseModel):
    name: str
    functions: list[Function]


class Registry(BaseModel):
    """Events of other names are kept, and start nothing."""

    apps: list[App]


@router.get("/functions", response_model=Registry, summary="Which events start what")
def list_functions(_: Annotated[Caller, Depends(needs("events"))]) -> dict[str, Any]:
    return registry_json()
