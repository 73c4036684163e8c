"""The registry: which events start which functions, with their payloads and settings."""

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
    """Retries after a temporary error, concurrency, and the events that cancel a function."""

    retries: int
    concurrency: int | None
    batchEvents: dict[str, int]
    cancelOn: list[dict[str, str]]


class Function(BaseModel):
    """A function that events start. `payload` is the JSON Schema of the event's `data`."""

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
    """Events of other names are stored, and start nothing."""

    apps: list[App]


@router.get("/functions", response_model=Registry, summary="Which events start which functions")
def list_functions(_: Annotated[Caller, Depends(needs("events"))]) -> dict[str, Any]:
    return registry_json()
