package native

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/rekeyhq/rekey/revoker/keyservice"
	"github.com/rekeyhq/rekey/scanner/finding"
)

// azureStorage lists one container with an account's key (Shared Key).
type azureStorage struct{}

func (azureStorage) Hosts() []string { return nil } // the rule file lists the suffixes

func (azureStorage) MadeUp(k keyservice.Key) (keyservice.Key, string, bool) {
	raw := make([]byte, 64)
	_, _ = rand.Read(raw)
	return madeUp(k, base64.StdEncoding.EncodeToString(raw)), "", true
}

var accountName = regexp.MustCompile(`^[a-z0-9]{3,24}$`)

func (azureStorage) Verify(ctx context.Context, k keyservice.Key, n keyservice.Network) finding.Verification {
	account := k.Values["account"]
	key, err := base64.StdEncoding.DecodeString(string(k.Secret.Reveal()))
	switch {
	case !accountName.MatchString(account):
		return unchecked("its storage account was not found near it")
	case err != nil || len(key) != 64:
		return unchecked("the key is no storage key")
	}
	now := n.Now().UTC()
	const version = "2021-12-02"
	date := now.Format(http.TimeFormat)
	// learn.microsoft.com, "Authorize with Shared Key" (recalled 2026-11-21): verb,
	// eleven empty headers, x-ms headers, resource with sorted parameters.
	text := "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:" + date + "\nx-ms-version:" + version + "\n/" + account + "/\ncomp:list\nmaxresults:1"
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	header := http.Header{"X-Ms-Date": {date}, "X-Ms-Version": {version}, "Authorization": {"SharedKey " + account + ":" + base64.StdEncoding.EncodeToString(mac.Sum(nil))}}
	a, err := n.Do(ctx, http.MethodGet, "https://"+account+".blob.core.windows.net/?comp=list&maxresults=1", header, nil, nil)
	if err != nil {
		return keyservice.Unreached(err)
	}
	v := azureVerdict(a, now)
	if v.Status == finding.Active {
		v.Owner = account
	}
	return v
}

// azureVerdict: learn.microsoft.com, "Common REST API error codes" (recalled
// 2026-11-21). AuthenticationFailed is also said to a wrong clock.
func azureVerdict(a *keyservice.Answer, now time.Time) finding.Verification {
	var x struct {
		XMLName xml.Name
		Code    string
	}
	if a.HTML || xml.Unmarshal(trimBOM(a.Body), &x) != nil {
		return unknown(fmt.Sprintf("the answer is none of Azure's (status %d)", a.Status))
	}
	switch {
	case a.Status == 200 && x.XMLName.Local == "EnumerationResults":
		return verdict(finding.Active, "")
	case a.Status == 403 && x.XMLName.Local == "Error" && x.Code == "AuthenticationFailed":
		theirs, err := http.ParseTime(a.Header.Get("Date"))
		if err == nil && theirs.Sub(now).Abs() > 10*time.Minute {
			return unknown("this machine's clock is wrong, so the refusal proves nothing")
		}
		return verdict(finding.Inactive, "")
	case a.Status == 403 && x.Code == "AuthorizationPermissionMismatch":
		return verdict(finding.Restricted, "the key is known, but refused this request")
	}
	return unknown(fmt.Sprintf("the answer is none that rekey knows (status %d)", a.Status))
}

func trimBOM(b []byte) []byte {
	if len(b) >= 3 && string(b[:3]) == "\xef\xbb\xbf" {
		return b[3:]
	}
	return b
}

// entra asks Microsoft Entra for a token with an application's secret.
type entra struct{}

func (entra) Hosts() []string { return nil }

func (entra) MadeUp(k keyservice.Key) (keyservice.Key, string, bool) {
	return madeUp(k, random(3)+"8Q~"+random(34)), "", true
}

var (
	guid   = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	domain = regexp.MustCompile(`^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$`)
)

func (entra) Verify(ctx context.Context, k keyservice.Key, n keyservice.Network) finding.Verification {
	tenant, client := k.Values["tenant"], k.Values["client_id"]
	switch {
	case !guid.MatchString(tenant) && !domain.MatchString(tenant):
		return unchecked("its tenant was not found near it")
	case !guid.MatchString(client):
		return unchecked("its client id was not found near it")
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {string(k.Secret.Reveal())}, "scope": {"https://graph.microsoft.com/.default"}}
	a, err := n.Do(ctx, http.MethodPost, "https://login.microsoftonline.com/"+tenant+"/oauth2/v2.0/token", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte(form.Encode()), nil)
	if err != nil {
		return keyservice.Unreached(err)
	}
	v := entraVerdict(a)
	if v.Status != finding.Unknown {
		v.Owner = client
	}
	return v
}

// entraVerdict: learn.microsoft.com, "Microsoft Entra authentication error codes"
// (recalled 2026-11-21): 7000215 wrong secret, 7000222 expired, 53003 conditional
// access after the secret was accepted.
func entraVerdict(a *keyservice.Answer) finding.Verification {
	var x struct {
		Token string `json:"access_token"`
		Error string `json:"error"`
		Codes []int  `json:"error_codes"`
	}
	if a.HTML || json.Unmarshal(a.Body, &x) != nil {
		return unknown(fmt.Sprintf("the answer is none of Entra's (status %d)", a.Status))
	}
	has := func(code int) bool { return slices.Contains(x.Codes, code) }
	switch {
	case a.Status == 200 && x.Token != "":
		return verdict(finding.Active, "")
	case a.Status == 401 && x.Error == "invalid_client" && has(7000215):
		return verdict(finding.Inactive, "")
	case a.Status == 401 && x.Error == "invalid_client" && has(7000222):
		return verdict(finding.Inactive, "the secret has expired")
	case (a.Status == 400 || a.Status == 403) && has(53003):
		return verdict(finding.Restricted, "conditional access refuses this place")
	}
	return unknown(fmt.Sprintf("the answer is none that rekey knows (status %d)", a.Status))
}
