# The image in which the GitLab component runs. A GitLab runner needs sh and grep in it, and nothing else.
FROM node:24.21.0-bookworm-slim@sha256:2fe369e969550cde8e867afc3fe370b260140cab4a23d467074295b42163d553

LABEL org.opencontainers.image.source="https://github.com/elastisys/pg-app-user" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY LICENSE dist/ /opt/pg-app-user/
COPY --chmod=755 <<'SH' /usr/local/bin/pg-app-user
#!/bin/sh
# What Node.js and OpenSSL read from the environment could load other code in front of the gate, or log a credential.
# The table of src/faces/start.ts, and what adds authorities. By full path: PATH is a variable of the project as well.
unset NODE_COMPILE_CACHE NODE_DEBUG NODE_DEBUG_NATIVE NODE_EXTRA_CA_CERTS NODE_ICU_DATA NODE_OPTIONS NODE_PATH \
  NODE_PRESERVE_SYMLINKS NODE_PRESERVE_SYMLINKS_MAIN NODE_REDIRECT_WARNINGS NODE_TLS_REJECT_UNAUTHORIZED \
  NODE_USE_ENV_PROXY NODE_USE_SYSTEM_CA NODE_V8_COVERAGE \
  OPENSSL_CONF OPENSSL_CONF_INCLUDE OPENSSL_ENGINES OPENSSL_MODULES SSLKEYLOGFILE
exec /usr/local/bin/node /opt/pg-app-user/cli.js "$@"
SH

# By number, so that a cluster that forbids root can tell without looking into the image.
USER 10001:10001
ENV HOME=/tmp
WORKDIR /tmp
ENTRYPOINT ["/usr/local/bin/pg-app-user"]
