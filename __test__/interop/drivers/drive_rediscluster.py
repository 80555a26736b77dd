"""salimane/rediscluster-py from PyPI, as it is, on redis-py 2.7.2: later ones lack `dictkeys`."""

import protocol
import rediscluster


def connect(nodes, config):
    servers = {n["name"]: {"host": n["host"], "port": n["port"]} for n in nodes}
    return rediscluster.StrictRedisCluster({"nodes": servers}, db=0)


protocol.serve("rediscluster " + rediscluster.__version__, connect)
