package live

import (
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
)

// cookie is what keeps the token, so that it need not stay in the address. Browsers send it
// to all ports of a host, of which each may have a page.
func (s *Server) cookie() string {
	_, port, _ := net.SplitHostPort(s.at.String())
	return "stoker-token-" + port
}

// allowed tells whether the page is shown to who asks. Where there is no token, a name that
// is not this machine's is refused: a page from elsewhere could have it point here.
func (s *Server) allowed(w http.ResponseWriter, r *http.Request) bool {
	if s.token == "" {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
			return true
		}
		http.Error(w, "this page is served to this machine alone: ask for it by 127.0.0.1 or localhost", http.StatusForbidden)
		return false
	}
	same := func(token string) bool { return subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) == 1 }
	if same(r.URL.Query().Get("token")) {
		http.SetCookie(w, &http.Cookie{Name: s.cookie(), Value: s.token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
		return true
	}
	if c, err := r.Cookie(s.cookie()); err == nil && same(c.Value) {
		return true
	}
	if scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") && same(token) {
		return true
	}
	http.Error(w, "a token is needed: open the address that stoker has printed", http.StatusUnauthorized)
	return false
}
