"""All resources of one deployment, each opened when first used; Dagster and the gateway share them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from domain.notifications.messages import Channel
from operations.documents.error_workbooks import ErrorWorkbooks
from operations.documents.removal import DocumentStores
from operations.documents.search import Search
from operations.documents.uploads import Uploads
from resources.database.connections import Database
from resources.database.schema import branches_of, schema_is_current, upgrade
from resources.database.urls import database_url, direct_setting, direct_url
from resources.embedders.factory import create_embedder
from resources.embedders.protocol import Embedder
from resources.inbox.bucket import BucketInbox
from resources.inbox.folder import FolderInbox
from resources.inbox.protocol import Inbox
from resources.ledger.ledger import Ledger
from resources.notifications.channels import NotificationChannel, create_channels
from resources.objects.event_files import EventFiles
from resources.objects.folder import FolderObjectStore
from resources.objects.protocol import ObjectStore
from resources.objects.s3 import S3ObjectStore
from resources.vectors.pgvector import PgVectorStore
from resources.vectors.protocol import VectorStore
from settings.settings import Settings, load_settings


@dataclass(frozen=True)
class Services:
    """The settings, and the resources that they choose. `s3_client` makes the object store's client, if given."""

    settings: Settings
    s3_client: Callable[[], Any] | None = None

    @cached_property
    def database(self) -> Database:
        """The database, with the ledger's schema at its newest migration."""
        url, direct = database_url(self.settings), direct_url(self.settings)
        branches, setting = branches_of(self.settings), direct_setting(self.settings)
        if not schema_is_current(url, branches):
            upgrade(direct, branches, setting)
        return Database(url, self.settings.database_pool_size, direct, setting)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger.over(self.database)

    @cached_property
    def objects(self) -> ObjectStore:
        settings = self.settings
        if settings.object_store and settings.object_store.startswith("s3://"):
            return S3ObjectStore(settings.object_store, settings.s3_endpoint_url, get_client=self.s3_client)
        return FolderObjectStore(settings.objects_folder)

    @cached_property
    def vectors(self) -> VectorStore:
        settings = self.settings
        if settings.vector_store == "pinecone":
            from resources.vectors.pinecone.store import PineconeVectorStore

            assert settings.pinecone_api_key is not None  # checked by the settings
            return PineconeVectorStore(
                api_key=settings.pinecone_api_key.get_secret_value(),
                index=settings.pinecone_index,
                controller_host=settings.pinecone_controller_host,
                index_host=settings.pinecone_index_host,
            )
        return PgVectorStore(self.database)

    @cached_property
    def embedder(self) -> Embedder:
        return create_embedder(self.settings)

    @cached_property
    def uploads(self) -> Uploads:
        return Uploads(
            self.ledger,
            self.objects,
            self.embedder.model,
            self.settings.max_upload_bytes,
            can_wait=self.embedder.jobs is not None,
            economy=self.settings.embedding_economy,
            inbox_versions=self.settings.inbox_versions,
        )

    @cached_property
    def event_files(self) -> EventFiles:
        return EventFiles(self.objects, self.settings.event_files_prefix, self.settings.max_upload_bytes)

    @cached_property
    def error_workbooks(self) -> ErrorWorkbooks:
        return ErrorWorkbooks(self.ledger, self.objects, self.settings.reading_limits)

    @cached_property
    def inbox(self) -> FolderInbox:
        return FolderInbox(self.settings.inbox)

    @cached_property
    def bucket_inbox(self) -> BucketInbox | None:
        """None if objects are stored in a folder: that has no inbox, and ROWLINE_HOME's is the only one."""
        return BucketInbox(self.objects.bucket) if isinstance(self.objects, S3ObjectStore) else None

    @property
    def document_stores(self) -> DocumentStores:
        inboxes: list[Inbox] = [self.inbox, *filter(None, [self.bucket_inbox])]
        return DocumentStores(self.ledger, self.vectors, self.objects, inboxes, self.embedder.jobs)

    @cached_property
    def search(self) -> Search:
        return Search(self.ledger, self.vectors, self.embedder)

    @cached_property
    def channels(self) -> Mapping[Channel, NotificationChannel]:
        return create_channels(self.settings)

    def close(self) -> None:
        """Close what was opened; the embedded server stops with its last process."""
        opened = self.__dict__
        if "embedder" in opened:
            self.embedder.close()
        if "vectors" in opened:
            self.vectors.close()
        if "database" in opened:
            self.database.close()


def open_services() -> Services:
    return Services(load_settings())
