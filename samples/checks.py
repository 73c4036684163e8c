"""The samples' asset checks: `python -m samples.checks`. What CI runs, and what `make checks` calls.

Materializes every sample in a home of its own and fails (exit code 1) where a run or an asset check of severity ERROR
fails. Warnings are shown: some samples have error rows on purpose.
"""

import os
import sys
import tempfile

import dagster as dg

from gateway.cli.output import out
from operations.services import Services
from pipelines.local_runs import run_document_graph
from samples.demo import SAMPLES, put_catalog, uploaded
from settings.settings import Settings


def main() -> int:
    failures = 0
    # a short path: the embedded server's socket lies in it
    with tempfile.TemporaryDirectory(prefix="rowline-checks-") as home:
        # in the environment, where Dagster's storage finds it too: nobody else's database may see these runs
        os.environ |= {"ROWLINE_HOME": home, "DATABASE_URL": "", "OBJECT_STORE": "", "EMBEDDING_PROVIDER": "local"}
        services = Services(Settings(_env_file=None))
        try:
            put_catalog(services)
            for sample in SAMPLES:
                version = uploaded(services, sample)
                result = run_document_graph(version.document_id, services)
                out.print(sample.filename, markup=False)
                evaluations = result.get_asset_check_evaluations()
                failures += sum(not print_verdict(evaluation) for evaluation in evaluations)
                if not result.success or not evaluations:
                    failures += 1
                    out.print("  ✗ the run did not succeed", markup=False)
        finally:
            services.close()
    out.print(f"{failures} failures" if failures else "All asset checks hold.")
    return 1 if failures else 0


def print_verdict(evaluation: dg.AssetCheckEvaluation) -> bool:
    """Print one verdict; False where it must stop a change."""
    warning = evaluation.severity is dg.AssetCheckSeverity.WARN
    mark = "✓" if evaluation.passed else "!" if warning else "✗"
    asset = evaluation.asset_key.to_user_string()
    out.print(f"  {mark} {asset}: {evaluation.check_name} – {evaluation.description}", markup=False)
    return evaluation.passed or warning


if __name__ == "__main__":
    sys.exit(main())
