#!/bin/sh
# Installs what is missing of the mail programs that tests use as clients (swaks, msmtp, curl, fetchmail, mpop, getmail6),
# as a sender of many messages (smtp-source, which comes with postfix), and around qmail's programs: what hands
# mail to sendmail and datemail (bsd-mailx, mutt, nmh, s-nail), what .qmail files call (procmail, uux);
# who serves the same Maildirs (dovecot: imap, pop3), what listens by hand (tcpserver), what looks at TLS (sslscan), and
# what stands in front (haproxy, nginx).
# No daemon of theirs is started.
# Debian lets a machine have one mail transport agent. It is Postfix; Exim and OpenSMTPD are only unpacked, into $mtas.
mtas=/opt/toaster-mtas
PATH=$PATH:/usr/sbin:/sbin:/usr/bin/mh:/usr/lib/dovecot
missing=
for program in swaks msmtp curl fetchmail mpop getmail smtp-source bsd-mailx mutt mhparam s-nail procmail uux imap pop3 tcpserver sslscan haproxy nginx \
    $mtas/usr/sbin/exim4 $mtas/usr/sbin/smtpd; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests need$missing. On Debian, as root: make peers" >&2
    exit 1
fi
set -e
ours=
trap 'rm -rf $ours' EXIT
# invoke-rc.d asks this file before it starts anything; one that is there already stays as it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    ours=$policy
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
fi
give_up() {
    echo "apt-get failed (see above; does this machine reach Debian?). The tests still need$missing" >&2
    exit 1
}
export DEBIAN_FRONTEND=noninteractive
echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
apt-get -qq update || give_up
apt-get -qq install -y --no-install-recommends \
    bsd-mailx ca-certificates curl dovecot-imapd dovecot-pop3d fetchmail getmail6 haproxy \
    libnet-ssleay-perl libnginx-mod-stream mpop msmtp mutt nginx-light nmh \
    openssl postfix procmail s-nail sslscan swaks ucspi-tcp uucp \
    >/dev/null || give_up
unpacked=$(mktemp -d $mtas.XXXXXX)
ours="$ours $unpacked"
chmod 755 "$unpacked"
cd "$unpacked"
apt-get -qq -o APT::Sandbox::User=root download exim4-daemon-light opensmtpd || give_up
for package in *.deb; do
    dpkg-deb -f "$package" Depends | tr ',' '\n' | sed -n 's/^ *\(lib[^ ]*\).*/\1/p'
    dpkg-deb -x "$package" .
    rm "$package"
done >libraries
chmod u-s usr/sbin/exim4
xargs apt-get -qq install -y --no-install-recommends --no-upgrade <libraries >/dev/null || give_up
rm -rf $mtas
mv "$unpacked" $mtas
