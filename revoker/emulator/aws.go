package emulator

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// aws emulates STS GetCallerIdentity and the access keys of IAM users (providers.md,
// entry 4). Signatures are checked as Amazon does (awssign.go), so the secrets are
// kept, sealed. A user has two keys at most, inactive ones included. The knob
// propagation delays what changes on a key, as IAM does.
type aws struct{ *core }

// awsAccount is in no one's range of real accounts that could be mistaken: Amazon's
// own documentation uses it.
const awsAccount = 123456789012

func newAWS(c *core) service {
	c.form = regexp.MustCompile(`^[A-Za-z0-9/+]{40}$`)
	c.knobs = append(slices.Clone(c.knobs),
		Knob{"quota", "2", "number"},
		Knob{"new_key_delay", "0s", "duration"}, // a new key is not known at first
	)
	return &aws{c}
}

func (s *aws) operator(secret string) {
	id, value, _ := strings.Cut(secret, ":")
	s.put(&Key{ID: id, Kind: "operator", Owner: "admin", Grants: Grants{Scopes: []string{"iam:*"}}}, value)
}

// put stores a key under its id: a signature names that, not the secret.
func (s *aws) put(k *Key, value string) {
	k.State = "Active"
	s.add(k, value)
	s.secrets[k.Hash].sealed = s.seal(value)
}

// issue makes a key for the user Owner ("app"); Scopes are the IAM actions that it may
// call, such as "iam:UpdateAccessKey". ID is the access key id.
func (s *aws) issue(i Issue) (Issued, error) {
	if i.Owner == "" {
		i.Owner = "app"
	}
	if s.known(i.Secret) != nil {
		return Issued{}, fmt.Errorf("the given secret is taken")
	}
	k, value := s.make(i.Owner, i.Secret)
	k.Grants.Scopes, k.Name = i.Scopes, i.Name
	k.Attributes = nil // known at once
	return Issued{ID: k.ID, Secret: value}, nil
}

func (s *aws) make(user, value string) (*Key, string) {
	if value == "" {
		value = randomText(40, alnum+"/+")
	}
	k := &Key{ID: awsKeyID(awsAccount), Owner: user, Attributes: map[string]any{"from": s.clock.Now().Add(s.duration("new_key_delay"))}}
	s.put(k, value)
	return k, value
}

// event knows Inactive (also disabled), Active and deleted (also revoked).
func (s *aws) event(id, event string) error {
	k := s.byID(id)
	switch {
	case k == nil || k.State == stateDeleted:
		return fmt.Errorf("no key %q", id)
	case event == "Inactive" || event == stateDisabled:
		k.State = "Inactive"
	case event == "Active" || event == stateActive:
		k.State = "Active"
	case event == stateDeleted || event == stateRevoked:
		s.remove(k)
	default:
		return fmt.Errorf("event %q: want Inactive, Active or deleted", event)
	}
	return nil
}

func (s *aws) remove(k *Key) {
	now := s.clock.Now()
	k.State, k.Times.Revoked = stateDeleted, &now
	s.end(k)
}

func (s *aws) routes() []route {
	return []route{{"POST", "/{$}", s.call}, {"GET", "/{$}", s.call}}
}

func (s *aws) unknown(*request) answer {
	return awsFail(http.StatusNotFound, "UnknownOperationException", "No such operation")
}

type awsError struct {
	XMLName xml.Name `xml:"ErrorResponse"`
	Error   struct {
		Type    string `xml:"Type"`
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	} `xml:"Error"`
	RequestID string `xml:"RequestId"`
}

func awsFail(status int, code, message string) answer {
	e := awsError{RequestID: randomHex(16)}
	e.Error.Type, e.Error.Code, e.Error.Message = "Sender", code, message
	return awsXML(status, e)
}

func awsXML(status int, v any) answer {
	b, err := xml.Marshal(v)
	if err != nil {
		return answer{status: http.StatusInternalServerError} // our own values always encode
	}
	return answer{status: status, text: string(b)}.with("Content-Type", "text/xml").with("x-amzn-RequestId", randomHex(16))
}

// call authenticates and then does what the parameter Action says.
func (s *aws) call(q *request) answer {
	form := q.form()
	if q.Method == http.MethodGet {
		form = q.URL.Query()
	}
	k, service, refusal := s.signed(q)
	if refusal != nil {
		return *refusal
	}
	now := q.now
	k.Times.LastUsed = &now
	action := form.Get("Action")
	s.note(k.ID, action, k.ID, q.source)
	if service == "sts" {
		if action != "GetCallerIdentity" {
			return awsFail(http.StatusBadRequest, "InvalidAction", "Could not find operation "+action)
		}
		return awsXML(http.StatusOK, callerIdentity(k))
	}
	if !slices.Contains([]string{"CreateAccessKey", "UpdateAccessKey", "DeleteAccessKey", "ListAccessKeys", "GetAccessKeyLastUsed"}, action) {
		return awsFail(http.StatusBadRequest, "InvalidAction", "Could not find operation "+action)
	}
	if !slices.Contains(k.Grants.Scopes, "iam:*") && !slices.Contains(k.Grants.Scopes, "iam:"+action) {
		return awsFail(http.StatusForbidden, "AccessDenied", "User: "+awsARN(k.Owner)+" is not authorized to perform: iam:"+action)
	}
	user := form.Get("UserName")
	if user == "" {
		user = k.Owner
	}
	switch action {
	case "CreateAccessKey":
		return s.createKey(user)
	case "ListAccessKeys":
		return s.listAccessKeys(user)
	case "GetAccessKeyLastUsed":
		return s.lastUsed(form.Get("AccessKeyId"))
	}
	target := s.byID(form.Get("AccessKeyId"))
	if target == nil || target.State == stateDeleted || target.Owner != user {
		return awsFail(http.StatusNotFound, "NoSuchEntity", "The Access Key with id "+form.Get("AccessKeyId")+" cannot be found.")
	}
	if action == "DeleteAccessKey" {
		s.remove(target)
		return awsXML(http.StatusOK, done("DeleteAccessKeyResponse"))
	}
	status := form.Get("Status")
	if status != "Active" && status != "Inactive" {
		return awsFail(http.StatusBadRequest, "ValidationError", "Status: want Active or Inactive")
	}
	target.State = status
	return awsXML(http.StatusOK, done("UpdateAccessKeyResponse"))
}

func awsARN(user string) string {
	return fmt.Sprintf("arn:aws:iam::%012d:user/%s", uint64(awsAccount), user)
}

type identity struct {
	XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
	Result  struct {
		Arn     string `xml:"Arn"`
		UserID  string `xml:"UserId"`
		Account string `xml:"Account"`
	} `xml:"GetCallerIdentityResult"`
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

func callerIdentity(k *Key) identity {
	v := identity{RequestID: randomHex(16)}
	v.Result.Arn, v.Result.Account = awsARN(k.Owner), fmt.Sprintf("%012d", uint64(awsAccount))
	v.Result.UserID = "AID" + "A" + strings.ToUpper(hash(k.Owner)[:16])
	return v
}

func done(name string) any {
	return struct {
		XMLName   xml.Name
		RequestID string `xml:"ResponseMetadata>RequestId"`
	}{xml.Name{Space: "https://iam.amazonaws.com/doc/2010-05-08/", Local: name}, randomHex(16)}
}

type accessKey struct {
	UserName    string `xml:"UserName"`
	AccessKeyID string `xml:"AccessKeyId"`
	Status      string `xml:"Status"`
	Secret      string `xml:"SecretAccessKey,omitempty"`
	CreateDate  string `xml:"CreateDate"`
}

func (s *aws) described(k *Key) accessKey {
	return accessKey{k.Owner, k.ID, k.State, "", k.Times.Created.UTC().Format(time.RFC3339)}
}

func (s *aws) userKeys(user string) []*Key {
	var out []*Key
	for _, k := range s.keys {
		if k.Owner == user && k.State != stateDeleted {
			out = append(out, k)
		}
	}
	return out
}

func (s *aws) createKey(user string) answer {
	if n := s.number("quota"); len(s.userKeys(user)) >= n {
		return awsFail(http.StatusConflict, "LimitExceeded", fmt.Sprintf("Cannot exceed quota for AccessKeysPerUser: %d", n))
	}
	k, value := s.make(user, "")
	if old := s.userKeys(user); len(old) > 1 {
		k.Grants.Scopes = slices.Clone(old[0].Grants.Scopes) // rights are the user's, not the key's
	}
	v := struct {
		XMLName   xml.Name  `xml:"https://iam.amazonaws.com/doc/2010-05-08/ CreateAccessKeyResponse"`
		Key       accessKey `xml:"CreateAccessKeyResult>AccessKey"`
		RequestID string    `xml:"ResponseMetadata>RequestId"`
	}{Key: s.described(k), RequestID: randomHex(16)}
	v.Key.Secret = value
	return awsXML(http.StatusOK, v)
}

func (s *aws) listAccessKeys(user string) answer {
	v := struct {
		XMLName   xml.Name    `xml:"https://iam.amazonaws.com/doc/2010-05-08/ ListAccessKeysResponse"`
		UserName  string      `xml:"ListAccessKeysResult>UserName"`
		Keys      []accessKey `xml:"ListAccessKeysResult>AccessKeyMetadata>member"`
		Truncated bool        `xml:"ListAccessKeysResult>IsTruncated"`
		RequestID string      `xml:"ResponseMetadata>RequestId"`
	}{UserName: user, RequestID: randomHex(16)}
	for _, k := range s.listed(func(k *Key) bool { return k.Owner == user && k.State != stateDeleted }) {
		v.Keys = append(v.Keys, s.described(k))
	}
	return awsXML(http.StatusOK, v)
}

func (s *aws) lastUsed(id string) answer {
	k := s.byID(id)
	if k == nil || k.State == stateDeleted {
		return awsFail(http.StatusForbidden, "AccessDenied", "The access key cannot be found.")
	}
	v := struct {
		XMLName   xml.Name `xml:"https://iam.amazonaws.com/doc/2010-05-08/ GetAccessKeyLastUsedResponse"`
		UserName  string   `xml:"GetAccessKeyLastUsedResult>UserName"`
		Date      string   `xml:"GetAccessKeyLastUsedResult>AccessKeyLastUsed>LastUsedDate,omitempty"`
		Service   string   `xml:"GetAccessKeyLastUsedResult>AccessKeyLastUsed>ServiceName"`
		Region    string   `xml:"GetAccessKeyLastUsedResult>AccessKeyLastUsed>Region"`
		RequestID string   `xml:"ResponseMetadata>RequestId"`
	}{UserName: k.Owner, Service: "N/A", Region: "N/A", RequestID: randomHex(16)}
	if u := k.Times.LastUsed; u != nil {
		v.Date, v.Service, v.Region = u.UTC().Format(time.RFC3339), "sts", "us-east-1"
	}
	return awsXML(http.StatusOK, v)
}
