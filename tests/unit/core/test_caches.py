import pytest
import redis

from apps.core.caches import FallbackCache


class Away:
    def __getattr__(self, name):
        def fail(*_args, **_kwargs):
            raise redis.ConnectionError("refused")

        return fail


@pytest.fixture
def cache():
    cache = FallbackCache("redis://localhost:1/0", {})
    cache.__dict__["_cache"] = Away()
    cache.clear = cache.spare.clear
    cache.clear()
    return cache


def test_without_redis_values_are_kept_in_the_process(cache):
    cache.set("a", 1)
    assert cache.get("a") == 1
    assert cache.incr("a") == 2
    assert not cache.add("a", 5)
    assert cache.has_key("a")
    assert cache.get_many(["a", "b"]) == {"a": 2}
    cache.delete("a")
    assert cache.get("a", "gone") == "gone"


def test_a_time_to_live_is_kept(cache):
    cache.set("a", 1, timeout=0)
    assert cache.get("a") is None
