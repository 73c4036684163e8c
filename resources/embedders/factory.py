"""The embedder that the settings choose."""

from resources.embedders.protocol import Embedder
from settings.settings import Settings


def create_embedder(settings: Settings) -> Embedder:
    """The embedder of EMBEDDING_PROVIDER. Nothing is loaded or connected before its first use."""
    if settings.embedding_provider == "openai":
        from resources.embedders.openai import OpenAIEmbedder

        assert settings.openai_api_key is not None  # checked by the settings
        return OpenAIEmbedder(
            api_key=settings.openai_api_key.get_secret_value(),
            base_url=settings.openai_base_url,
            model=settings.embedding_model or "text-embedding-3-small",
            dimension=settings.embedding_dimensions,
            in_flight=settings.batches_in_flight,
            request_inputs=settings.embed_request_inputs,
        )
    from resources.embedders.local import LocalEmbedder

    return LocalEmbedder()
