# The image in which the GitLab component runs. A GitLab runner needs sh and grep in it, and nothing else.
FROM node:24.21.0-bookworm-slim

LABEL org.opencontainers.image.source="https://github.com/elastisys/pg-app-user" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY LICENSE dist/ /opt/pg-app-user/
COPY --chmod=755 <<'SH' /usr/local/bin/pg-app-user
#!/bin/sh
# With NODE_OPTIONS a variable of a project could put code of its own in front of the gate.
unset NODE_OPTIONS
exec /usr/local/bin/node /opt/pg-app-user/cli.js "$@"
SH

# By number, so that a cluster that forbids root can tell without looking into the image.
USER 10001:10001
ENV HOME=/tmp
WORKDIR /tmp
ENTRYPOINT ["pg-app-user"]
