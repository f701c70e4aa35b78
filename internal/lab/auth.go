package lab

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// tokenPath is where a registry with token authentication hands out its tokens.
const tokenPath = "/token"

// Auth is what a registry demands of its clients.
type Auth struct {
	User     string
	Password string
	// TokenTTL, if positive, makes clients fetch a bearer token with their user and password first,
	// as hosted registries do; a token is good for that long. Otherwise each request carries user
	// and password.
	TokenTTL time.Duration
}

// RequireAuth makes the registry demand credentials from now on.
func (r *Registry) RequireAuth(a Auth) {
	r.auth.mu.Lock()
	defer r.auth.mu.Unlock()
	r.auth.demand = &a
	r.auth.tokens = map[string]time.Time{}
}

// AllowAll ends RequireAuth.
func (r *Registry) AllowAll() {
	r.auth.mu.Lock()
	defer r.auth.mu.Unlock()
	r.auth.demand = nil
}

// ExpireTokens makes every token handed out so far invalid.
func (r *Registry) ExpireTokens() {
	r.auth.mu.Lock()
	defer r.auth.mu.Unlock()
	clear(r.auth.tokens)
}

// RefusedTokens is how many requests came with a token that was not good, or not any more.
func (r *Registry) RefusedTokens() int {
	r.auth.mu.Lock()
	defer r.auth.mu.Unlock()
	return r.auth.refused
}

type authority struct {
	realm string // the address of the token service

	mu      sync.Mutex
	demand  *Auth                // nil: everybody may do everything
	tokens  map[string]time.Time // when each ends
	refused int                  // requests with a token that was none of these
}

func (a *authority) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == tokenPath {
			a.serveToken(w, r)
			return
		}
		if challenge := a.challenge(r); challenge != "" {
			w.Header().Set("WWW-Authenticate", challenge)
			writeError(w, http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// challenge is what a request is answered that may not pass; empty: it may.
func (a *authority) challenge(r *http.Request) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.demand == nil:
		return ""
	case a.demand.TokenTTL > 0:
		return a.tokenChallenge(r)
	case a.demand.knows(r):
		return ""
	default:
		return `Basic realm="lab"`
	}
}

func (a *authority) tokenChallenge(r *http.Request) string {
	token, sent := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if sent && time.Now().Before(a.tokens[token]) {
		return ""
	}
	challenge := fmt.Sprintf(`Bearer realm="%s",service="lab"`, a.realm)
	if repo := targetOf(r).repo; repo != "" {
		challenge += fmt.Sprintf(`,scope="repository:%s:pull,push"`, repo)
	}
	if sent {
		a.refused++
		challenge += `,error="invalid_token"`
	}
	return challenge
}

// knows tells whether a request carries the right user and password.
func (a *Auth) knows(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	if !ok {
		// Token services are also asked with a form (OAuth 2).
		user, password = r.PostFormValue("username"), r.PostFormValue("password")
	}
	return user == a.User && password == a.Password
}

func (a *authority) serveToken(w http.ResponseWriter, r *http.Request) {
	token, ttl, ok := a.issue(r)
	if !ok {
		writeError(w, http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// The client may be gone; there is nobody else to tell.
	_ = json.NewEncoder(w).Encode(map[string]any{
		"token":        token,
		"access_token": token,
		"expires_in":   int(ttl.Seconds()),
	})
}

// issue makes a token for a request that carries the right user and password.
func (a *authority) issue(r *http.Request) (token string, ttl time.Duration, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.demand == nil || a.demand.TokenTTL <= 0 || !a.demand.knows(r) {
		return "", 0, false
	}
	token = rand.Text()
	a.tokens[token] = time.Now().Add(a.demand.TokenTTL)
	return token, a.demand.TokenTTL, true
}
