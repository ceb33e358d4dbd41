# The image in which the GitLab component runs. A GitLab runner needs sh and grep in it, and nothing else.
FROM node:24.21.0-bookworm-slim@sha256:2fe369e969550cde8e867afc3fe370b260140cab4a23d467074295b42163d553

LABEL org.opencontainers.image.source="https://github.com/elastisys/pg-app-user" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY LICENSE dist/ /opt/pg-app-user/
COPY --chmod=755 <<'SH' /usr/local/bin/pg-app-user
#!/bin/sh
# What Node.js and OpenSSL read from the environment could load other code in front of the gate, or log a credential.
# All by full path: PATH is a variable of the project as well.
unset $(export -p | /usr/bin/sed -n 's/^export \(NODE_[A-Za-z0-9_]*\)=.*/\1/p; s/^export \(OPENSSL_[A-Za-z0-9_]*\)=.*/\1/p')
exec /usr/local/bin/node /opt/pg-app-user/cli.js "$@"
SH

# By number, so that a cluster that forbids root can tell without looking into the image.
USER 10001:10001
ENV HOME=/tmp
WORKDIR /tmp
ENTRYPOINT ["/usr/local/bin/pg-app-user"]
