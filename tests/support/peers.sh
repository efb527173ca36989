#!/bin/sh
# Installs what is missing of the mail programs that tests use as clients (swaks, msmtp, curl, fetchmail, mpop),
# as a sender of many messages (smtp-source, which comes with postfix), and around qmail's programs: what hands
# mail to sendmail and datemail (bsd-mailx, mutt, nmh, s-nail), what .qmail files call (procmail, uux);
# who serves the same Maildirs (dovecot: imap, pop3), and what listens by hand (tcpserver). No daemon of theirs is started.
PATH=$PATH:/usr/sbin:/sbin:/usr/bin/mh:/usr/lib/dovecot
missing=
for program in swaks msmtp curl fetchmail mpop smtp-source bsd-mailx mutt mhparam s-nail procmail uux imap pop3 tcpserver; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests need$missing. On Debian, as root: make peers" >&2
    exit 1
fi
set -e
# invoke-rc.d asks this file before it starts anything; one that is there already stays as it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
apt-get -qq update
apt-get -qq install -y --no-install-recommends \
    bsd-mailx ca-certificates curl dovecot-imapd dovecot-pop3d fetchmail libnet-ssleay-perl mpop msmtp mutt nmh postfix \
    procmail s-nail swaks ucspi-tcp uucp \
    >/dev/null
