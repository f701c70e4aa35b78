#!/bin/sh
# Makes the certificates by which nodes and shards know each other, and writes them as
# Kubernetes Secrets, for "kubectl apply -f -". The authority's key is thrown away: to
# renew them, make all anew.
#
#   certs.sh [NAMESPACE] | kubectl apply -n NAMESPACE -f -
set -eu
namespace=${1:-default}
days=365

umask 077
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

# key NAME makes a key.
key() {
	openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
}

# certificate NAME EXTENSIONS makes a key and has the authority sign for it.
certificate() {
	key "$1"
	openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
	printf '%s\n' "$2" "basicConstraints=CA:FALSE" >"$1.ext"
	openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "$days" \
		-extfile "$1.ext" -out "$1.pem" 2>/dev/null
}

# secret NAME CERTIFICATE prints a Secret with a certificate, its key and the authority.
secret() {
	cat <<END
---
apiVersion: v1
kind: Secret
metadata:
  name: $1
type: Opaque
data:
  ca.pem: $(base64 <ca.pem | tr -d '\n')
  cert.pem: $(base64 <"$2.pem" | tr -d '\n')
  key.pem: $(base64 <"$2.key" | tr -d '\n')
END
}

key ca
openssl req -x509 -new -key ca.key -subj "/CN=stoker" -days "$days" \
	-addext "keyUsage=critical,keyCertSign" -out ca.pem
certificate buildkitd "extendedKeyUsage=serverAuth
subjectAltName=DNS:*.buildkitd,DNS:*.buildkitd.$namespace.svc,DNS:*.buildkitd.$namespace.svc.cluster.local"
certificate client "extendedKeyUsage=clientAuth"

secret buildkitd-certs buildkitd
secret buildkit-client-certs client
