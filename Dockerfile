# Three stages: Debian with Python; /opt/toaster, filled with what requirements.lock names; the first with that folder.
FROM debian:trixie-slim AS python
# A daemon keeps the byte code of its modules in memory: here it has no docstrings, no assert and no columns. It bears
# the plain name, so whoever starts Python, however, finds it, and programs of .qmail files keep their own assert.
# Compiled here, since the container's root file system is read-only. "unchecked": sources never change below it.
RUN printf '%s\n' '#!/bin/sh -e' \
      '/usr/bin/python3 -OO -X no_debug_ranges -m compileall -qf --invalidation-mode unchecked-hash "$@"' \
      'find "$@" -name "*.opt-2.pyc" | while read -r f; do mv "$f" "${f%.opt-2.pyc}.pyc"; done' \
      > /usr/local/bin/compile-small \
 && chmod 755 /usr/local/bin/compile-small \
 && apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates openssl python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
 && compile-small /usr/lib/python3.*

FROM python AS libraries
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils python3-venv \
 && python3 -m venv /opt/pip \
 && python3 -m venv --without-pip /opt/toaster
COPY requirements.lock /opt/
# Libraries come with their tests and with debugging symbols; neither is used in the container.
RUN /opt/pip/bin/pip --python /opt/toaster/bin/python install \
      --no-cache-dir --no-compile --require-hashes -r /opt/requirements.lock \
 && find /opt/toaster -type d \( -name tests -o -name testing \) -prune -exec rm -r {} + \
 && find /opt/toaster -name '*.so' -exec strip --strip-unneeded {} +
COPY appliance /opt/toaster/app/appliance
COPY templates /opt/toaster/app/templates
# What `toaster --help` and `toaster schema` print are docstrings; no daemon imports them.
RUN compile-small /opt/toaster \
 && /usr/bin/python3 -X no_debug_ranges -m compileall -qf --invalidation-mode unchecked-hash \
      /opt/toaster/app/appliance/admin /opt/toaster/app/appliance/site

FROM python
# qmail's users and groups by number (appliance/system/privileges.py), and the one whom mailboxes belong to.
RUN printf '%s\n' nofiles:x:2107: qmail:x:2108: vmail:x:5000: >> /etc/group \
 && printf '%s\n' \
      alias:x:7790:2107::/var/qmail/alias:/bin/sh \
      qmaild:x:7791:2107::/var/qmail:/usr/sbin/nologin \
      qmaill:x:7792:2107::/var/qmail:/usr/sbin/nologin \
      qmailp:x:7793:2107::/var/qmail:/usr/sbin/nologin \
      qmailq:x:7794:2108::/var/qmail:/usr/sbin/nologin \
      qmailr:x:7795:2108::/var/qmail:/usr/sbin/nologin \
      qmails:x:7796:2108::/var/qmail:/usr/sbin/nologin \
      vmail:x:5000:5000::/mail:/usr/sbin/nologin >> /etc/passwd
# config.yaml holds password hashes: only root may look into its folder. It is read where compose.yaml mounts the
# folder it lies in, or at /etc/toaster/config.yaml itself.
RUN mkdir -m 0700 /etc/toaster && ln -s site/config.yaml /etc/toaster/config.yaml \
 && mkdir -p /var/qmail /var/lib/toaster /mail \
 && printf '#!/bin/sh\ncd /opt/toaster/app && exec /opt/toaster/bin/python -m appliance toaster "$@"\n' > /usr/local/bin/toaster \
 && chmod 755 /usr/local/bin/toaster
COPY --from=libraries /opt/toaster /opt/toaster
ENV PATH=/opt/toaster/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    TOASTER_CONTAINER=yes
WORKDIR /opt/toaster/app
# qmail's programs by name: for .qmail files, and for who looks around in the container. The folders of /service are
# empty: shells expand /service/*, and svc and svstat know by the name whom supervisor is asked about.
RUN python -m appliance launchers /usr/local/bin \
 && ln -s /usr/local/bin/sendmail /usr/sbin/sendmail && ln -s ../sbin/sendmail /usr/lib/sendmail \
 && cd / && mkdir -p service/qmail service/authd service/lspawn service/rspawn service/pop3d service/smtpd service/qmtpd service/qmqpd service/popup service/autoturn
# QMTP (209), QMQP (628) and OFMIP (26) are closed unless `listen:` of config.yaml opens them.
EXPOSE 25 587 465 110 995
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --start-interval=1s CMD ["python", "-m", "appliance", "health"]
ENTRYPOINT ["python", "-m", "appliance"]
CMD ["start"]
