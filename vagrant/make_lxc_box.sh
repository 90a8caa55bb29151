#!/bin/bash
# Makes the box of the lxc provider from nothing but a Debian mirror, and adds it to Vagrant.  Run as root on Debian 12:
#   apt-get install --no-install-recommends vagrant vagrant-lxc lxc debootstrap sudo iptables
#   ./make_lxc_box.sh [NAME]
set -euo pipefail
name=${1:-murder-bookworm}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/rootfs

debootstrap --variant=minbase \
    --include=openssh-server,sudo,python3,iproute2,systemd-sysv,dbus bookworm "$root" >"$work/log" ||
    { tail "$work/log"; exit 1; }

# ifupdown would fail when Vagrant sets the host's name.
cat >"$root/etc/systemd/network/10-eth0.network" <<'NETWORK'
[Match]
Name=eth0
[Network]
DHCP=ipv4
[DHCPv4]
ClientIdentifier=mac
NETWORK
chroot "$root" systemctl --quiet enable systemd-networkd ssh

chroot "$root" useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/vagrant"
chmod 440 "$root/etc/sudoers.d/vagrant"
install -d -m 700 "$root/home/vagrant/.ssh"
# The key that Vagrant logs in with the first time, and replaces then.
install -m 600 /usr/share/rubygems-integration/all/gems/vagrant-*/keys/vagrant.pub \
    "$root/home/vagrant/.ssh/authorized_keys"
chroot "$root" chown -R vagrant:vagrant /home/vagrant/.ssh

chroot "$root" apt-get clean
rm -rf "$root"/var/lib/apt/lists/*

mkdir "$work/box"
tar --numeric-owner -czf "$work/box/rootfs.tar.gz" -C "$work" ./rootfs # vagrant-lxc strips two components
echo '{"provider": "lxc", "version": "1.0.0"}' >"$work/box/metadata.json"
cat >"$work/box/lxc-config" <<'CONFIG'
lxc.include = /usr/share/lxc/config/common.conf
lxc.arch = linux64
lxc.apparmor.profile = unconfined
lxc.mount.auto = cgroup:mixed proc:mixed sys:mixed
CONFIG
tar -czf "$work/$name.box" -C "$work/box" .
vagrant box add --force --name "$name" --provider lxc "$work/$name.box"
