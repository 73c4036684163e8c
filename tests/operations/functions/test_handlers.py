"""Each function of the registry has the handler that reads its payload, and each job that one names exists."""

from __future__ import annotations

from typing import get_args

import pytest

from domain.events.payloads import Payload
from domain.events.registry import FUNCTIONS
from operations.functions.handlers import HANDLERS, JobHandler
from pipelines.jobs import maintenance


def test_each_function_has_one_handler_and_each_handler_a_function():
    assert [handler.function for handler in HANDLERS.values()] == sorted(
        FUNCTIONS, key=lambda function: [*HANDLERS].index(function.name)
    )


@pytest.mark.parametrize("handler", HANDLERS.values(), ids=lambda handler: handler.__name__)
def test_a_handler_is_typed_by_the_payload_of_its_function(handler):
    (base,) = (base for base in handler.__orig_bases__)
    assert get_args(base)[0] in (handler.function.payload, Payload)


@pytest.mark.parametrize(
    "handler", [h for h in HANDLERS.values() if issubclass(h, JobHandler)], ids=lambda handler: handler.__name__
)
def test_the_job_and_op_that_a_handler_names_exist_and_take_its_configuration(handler):
    job = getattr(maintenance, handler.function.starts)
    (op,) = [node for node in job.graph.node_defs if node.name == handler.op]
    example = {"documentId": "d", "targetVersion": 1, "repair": True}
    config = handler.config(handler.function.payload.model_validate(example), "doc_1")
    assert set(config) <= set(op.config_schema.config_type.fields)
