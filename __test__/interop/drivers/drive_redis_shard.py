"""zhihu/redis-shard from PyPI, as it is. redis-py 3.5.3 is the last that suits its imports."""

import importlib.metadata

import protocol
from redis_shard.shard import RedisShardAPI


def connect(nodes, config):
    servers = [{"name": n["name"], "host": n["host"], "port": n["port"], "db": 0} for n in nodes]
    return RedisShardAPI(servers, hash_method=config["hash"])


protocol.serve("redis-shard " + importlib.metadata.version("redis-shard"), connect)
