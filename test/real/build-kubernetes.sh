#!/usr/bin/env bash
# Builds a real kube-apiserver and kube-controller-manager from Debian's source package, and fetches etcd and kubectl: what
# test/real/ proves itself against. Once per machine; the result lies outside of the work tree, in the folder that the last
# line names. Installs nothing. Takes some minutes, 4 GB of disk, and a machine with apt.
set -euo pipefail

cache="${PORTALD_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/portald}"
bin="$cache/kubernetes"
if [ -x "$bin/kube-apiserver" ] && [ -x "$bin/kube-controller-manager" ] && [ -x "$bin/etcd" ] && [ -x "$bin/kubectl" ]; then
  echo "$bin"
  exit 0
fi
work="$cache/build"
rm -rf "$work"
mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/packages" "$work/root" "$bin"

# The machine's own package sources, with source packages added, apart from the machine's own apt.
mkdir -p "$work/apt/sources.list.d"
cp /etc/apt/sources.list.d/*.sources "$work/apt/sources.list.d/"
sed -i 's/^Types: deb$/Types: deb deb-src/' "$work"/apt/sources.list.d/*.sources
# Only Debian's: others may have packages of the same names.
grep -L 'debian-archive-keyring' "$work"/apt/sources.list.d/*.sources | xargs -r rm
apt=(-o "Dir::State::lists=$work/apt/lists" -o "Dir::Cache=$work/apt/cache" -o Dir::Etc::sourcelist=/dev/null
  -o "Dir::Etc::sourceparts=$work/apt/sources.list.d" -o APT::Sandbox::User=root)
apt-get "${apt[@]}" -qq update
cd "$work/packages"
apt-get "${apt[@]}" -qq download golang-1.19-go golang-1.19-src golang-github-modern-go-reflect2-dev etcd-server kubernetes-client
for package in *.deb; do dpkg -x "$package" "$work/root"; done
mkdir -p "$work/gopath/src/k8s.io"
cd "$work/gopath/src/k8s.io"
apt-get "${apt[@]}" -qq source kubernetes
mv kubernetes-*/ kubernetes

# The library's folder links into the shared one.
cp -rL "$work/root/usr/lib/go-1.19" "$work/goroot"
export GOROOT="$work/goroot" GOPATH="$work/gopath" GOCACHE="$work/gocache" GO111MODULE=off GOFLAGS= PATH="$work/goroot/bin:$PATH"

cd kubernetes
# The reflect2 in the tarball is too old for this Go: the server would die when it encodes its first sorted map.
rm -rf vendor/github.com/modern-go/reflect2
cp -rL "$work/root/usr/share/gocode/src/github.com/modern-go/reflect2" vendor/github.com/modern-go/reflect2
# A generated file that the tarball does not have.
go build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
inputs=$(grep -rl --include=*.go '+k8s:openapi-gen=' pkg cmd staging | grep -v -e code-generator -e sample-apiserver -e /testdata/ |
  xargs -n1 dirname | sort -u | sed -e 's,^staging/src/,k8s.io/kubernetes/vendor/,' -e 's,^\(pkg\|cmd\)/,k8s.io/kubernetes/\1/,' | paste -sd, -)
"$work/openapi-gen" -O zz_generated.openapi --go-header-file hack/boilerplate/boilerplate.generatego.txt \
  --output-base "$work/gopath/src" --output-package k8s.io/kubernetes/pkg/generated/openapi -i "$inputs" -r "$work/violations"
version=k8s.io/kubernetes/vendor/k8s.io/component-base/version
go build -o "$bin/" -ldflags "-s -w -X $version.gitVersion=v1.20.2 -X $version.gitMajor=1 -X $version.gitMinor=20" \
  ./cmd/kube-apiserver ./cmd/kube-controller-manager
cp "$work/root/usr/bin/etcd" "$work/root/usr/bin/kubectl" "$bin/"
chmod -R u+w "$work" && rm -rf "$work"
echo "$bin"
