#!/bin/sh
# Installs redis-server and redis-sentinel on Debian and its relatives; to be run as root.
#
# Debian starts and enables a service on installation. policy-rc.d is its own way to say no: the
# file is ours only where there was none, and goes away again. Only what came new is disabled.

policy=/usr/sbin/policy-rc.d
new=
for package in redis-server redis-sentinel; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
    new="$new $package"
done
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" || exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=120 update
apt-get -q -o DPkg::Lock::Timeout=120 install -y --no-install-recommends \
  redis-server redis-sentinel || exit 1
for unit in $new; do
  systemctl disable --now "$unit" || systemctl disable "$unit"
done
exit 0
