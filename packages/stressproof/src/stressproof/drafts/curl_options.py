"""The options of ``curl``: which take a value, and which say nothing about the request."""

import re


def _words(text: str) -> list[str]:
    return re.findall(r"\S+", text)


SHORT = dict(
    word.split("=")
    for word in _words(
        """
    X=request H=header d=data F=form u=user A=user-agent e=referer b=cookie k=insecure
    L=location G=get I=head T=upload-file m=max-time x=proxy o=output O=remote-name s=silent
    S=show-error v=verbose i=include f=fail w=write-out D=dump-header c=cookie-jar E=cert
    g=globoff r=range N=no-buffer J=remote-header-name R=remote-time q=disable 4=ipv4 6=ipv6
    0=http1.0 1=tlsv1 #=progress-bar n=netrc K=config y=speed-time Y=speed-limit U=proxy-user
    z=time-cond p=proxytunnel j=junk-session-cookies a=append Z=parallel
    """
    )
)
"""Letters to the long names."""

VALUED = frozenset(
    _words(
        """
    cacert capath cert cert-type ciphers config connect-timeout connect-to cookie cookie-jar
    data data-ascii data-binary data-raw data-urlencode dns-servers dump-header
    expect100-timeout form form-string header interface json keepalive-time key key-type
    limit-rate local-port max-filesize max-redirs max-time noproxy oauth2-bearer output
    output-dir pass proto proto-default proxy proxy-user range referer request resolve retry
    retry-delay retry-max-time speed-limit speed-time stderr time-cond tls-max tls13-ciphers
    trace trace-ascii unix-socket upload-file url url-query user user-agent write-out
    """
    )
)
"""Those with a value; what is neither known to the parser nor noted concerns curl alone."""

FLAGS = frozenset(
    _words(
        """
    compressed get globoff head http2 http2-prior-knowledge insecure location location-trusted
    """
    )
)
"""Those without a value that say something about the request."""

IGNORED = frozenset(
    _words(
        """
    anyauth append basic create-dirs disable fail fail-early fail-with-body http0.9 http1.0
    http1.1 http3 include ipv4 ipv6 junk-session-cookies netrc netrc-optional no-alpn no-buffer
    no-keepalive no-progress-meter no-sessionid parallel path-as-is post301 post302 post303
    progress-bar proxytunnel raw remote-header-name remote-name remote-name-all remote-time
    retry-all-errors retry-connrefused show-error show-headers silent ssl-no-revoke ssl-reqd
    styled-output suppress-connect-headers tcp-fastopen tcp-nodelay tlsv1 tlsv1.0 tlsv1.1
    tlsv1.2 tlsv1.3 trace-time verbose
    """
    )
)
"""Those without a value that say nothing about it."""
