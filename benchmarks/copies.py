"""Many documents from one: the records of a document that was processed, copied by SQL under new ids.

A copy is a document of its own, with its own file, lineage, embeddings and vectors; only rows at every `shared`-th
position keep the original's address, as equal rows of two documents do. The numbers of a copied vector are the
original's. Statistics are not renewed by hand: queries meet the tables as a bulk load leaves them.
"""

import os
import shutil
from pathlib import Path
from typing import LiteralString

from operations.services import Services
from resources.ledger.documents.documents import Version

# `n` is the copy; what is not overridden is the original's, also in columns that this file has never heard of
ID: LiteralString = "'doc_' || md5(%(source)s || n)"
OWN_VECTOR: LiteralString = (
    "CASE WHEN l.row_position %% %(shared)s = 0 THEN l.vector_id ELSE md5(l.vector_id::text || n)::uuid END"
)
OWN_TEXT: LiteralString = (
    "CASE WHEN l.row_position %% %(shared)s = 0 THEN l.text_hash ELSE sha256(l.text_hash || int4send(n)) END"
)
COPIES: LiteralString = "generate_series(1, %(copies)s) n"

DOCUMENTS: LiteralString = f"""
INSERT INTO documents SELECT (jsonb_populate_record(d, jsonb_build_object('document_id', {ID}))).*
  FROM documents d, {COPIES} WHERE d.document_id = %(source)s
"""
VERSIONS: LiteralString = f"""
INSERT INTO versions SELECT (jsonb_populate_record(v, jsonb_build_object(
       'document_id', {ID}, 'object_key', 'uploads/copies/' || {ID}))).*
  FROM versions v, {COPIES} WHERE v.document_id = %(source)s
"""
BATCHES: LiteralString = f"""
INSERT INTO batches SELECT (jsonb_populate_record(b, jsonb_build_object('document_id', {ID}))).*
  FROM batches b, {COPIES} WHERE b.document_id = %(source)s
"""
LINEAGE: LiteralString = f"""
INSERT INTO lineage SELECT (jsonb_populate_record(l, jsonb_build_object(
       'document_id', {ID}, 'vector_id', {OWN_VECTOR}, 'text_hash', {OWN_TEXT}))).*
  FROM lineage l, {COPIES} WHERE l.document_id = %(source)s
"""
NAMESPACES: LiteralString = """
INSERT INTO document_namespaces
SELECT document_id, version, namespace, max(employee_id), array_agg(DISTINCT vector_id), count(DISTINCT vector_id)
  FROM lineage WHERE organization_id = %(organization)s AND document_id <> %(source)s
 GROUP BY document_id, version, namespace
"""
EMBEDDINGS: LiteralString = f"""
INSERT INTO embeddings (organization_id, model, text_hash, embedding, run_id)
SELECT DISTINCT ON ({OWN_TEXT}) e.organization_id, e.model, {OWN_TEXT}, e.embedding, e.run_id
  FROM lineage l JOIN versions v USING (document_id, version)
  JOIN embeddings e ON e.organization_id = l.organization_id AND e.model = v.model AND e.text_hash = l.text_hash,
       {COPIES}
 WHERE l.document_id = %(source)s ON CONFLICT DO NOTHING
"""
VECTORS: LiteralString = f"""
INSERT INTO vectors (model, namespace, vector_id, embedding, metadata)
SELECT DISTINCT ON ({OWN_VECTOR}) s.model, s.namespace, {OWN_VECTOR}, s.embedding, s.metadata
  FROM lineage l JOIN vectors s USING (namespace, vector_id), {COPIES}
 WHERE l.document_id = %(source)s ON CONFLICT DO NOTHING
"""
STATEMENTS = (DOCUMENTS, VERSIONS, BATCHES, LINEAGE, NAMESPACES, EMBEDDINGS, VECTORS)
OF_ORGANIZATION = (
    "SELECT document_id FROM documents WHERE organization_id = %(organization)s AND document_id <> %(source)s"
)
NONE_SHARED = 2**31 - 1


def copy_document(services: Services, source: str, copies: int, shared: int = NONE_SHARED) -> list[str]:
    """Copies of an organization's only document, of one version; their ids, in no order that matters."""
    version = services.ledger.documents.latest(source)
    at = {"source": source, "organization": version.organization_id, "copies": copies, "shared": shared}
    with services.database.transaction() as connection:
        for statement in STATEMENTS:
            connection.execute(statement, at)
        rows = connection.execute(OF_ORGANIZATION, at).fetchall()
    ids = [str(row["document_id"]) for row in rows]
    _copy_files(services.settings.objects_folder, version, ids)
    return ids


def _copy_files(root: Path, version: Version, ids: list[str]) -> None:
    (root / "uploads/copies").mkdir()
    for document_id in ids:
        os.link(root / version.upload.object_key, root / "uploads/copies" / document_id)
        folder = version.folder.replace(version.document_id, document_id)
        shutil.copytree(root / version.folder, root / folder, copy_function=os.link)
