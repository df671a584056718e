package rules

// Operations are what a key service offers, each list in the file's order; the
// first whose Rules match applies.
type Operations struct {
	Verify     []Operation `toml:"verify"`
	Whoami     []Operation `toml:"whoami"`
	List       []Operation `toml:"list"`
	Regenerate []Operation `toml:"regenerate"`
	Revoke     []Operation `toml:"revoke"`
	Disable    []Operation `toml:"disable"`
	Enable     []Operation `toml:"enable"`
}

// Operation is one call, or a few, to a key service. Conditions are expressions
// over status (int), header (lower-case names to values), json (the decoded body or
// nil) and body (text, at most 64 KiB); a condition that cannot be evaluated counts
// as unknown, never as true or false. Templates in requests take {{secret}}, the
// names of groups and parts, and values saved by earlier steps.
type Operation struct {
	Rules    []string `toml:"rules"` // globs over the file's rule ids
	Evidence Evidence `toml:"evidence"`
	Source   string   `toml:"source"` // where the fact was read
	Auth     string   `toml:"auth"`   // none | self | operator; default self for verify and whoami, operator otherwise
	// Driver names a native protocol in place of Request: aws, postgres, ...
	Driver string `toml:"driver"`
	// Before are earlier requests whose saved values the main one needs.
	Before  []Step  `toml:"before"`
	Request Request `toml:"request"`

	Active     string `toml:"active"`
	Restricted string `toml:"restricted"`
	InGrace    string `toml:"in_grace"`
	Inactive   string `toml:"inactive"`
	// Weak says that active rests on nothing but a status code, and why.
	Weak string `toml:"weak"`

	Done      string            `toml:"done"`
	Refused   string            `toml:"refused"`
	Throttled string            `toml:"throttled"`
	Gone      string            `toml:"gone"`
	Each      string            `toml:"each"`
	Save      map[string]string `toml:"save"`
	Pace      *Pace             `toml:"pace"`

	// Control is "" (a made-up key of the rule's form is tried), or "none", and
	// then Why tells the reason.
	Control string `toml:"control"`
	Why     string `toml:"why"`

	Strategy string   `toml:"strategy"` // grace | dual-slot | create-then-revoke | immediate | manual
	Grace    string   `toml:"grace"`
	Slots    []string `toml:"slots"`
	Quota    int      `toml:"quota"` // keys that may exist at once, where known
	Prove    string   `toml:"prove"`
	Retry    string   `toml:"retry"` // never | token | safe
	Parity   []string `toml:"parity"`
	// Async says that success means accepted, not done: verification decides.
	Async bool `toml:"async"`
	// Manual are the steps a person takes where there is no API.
	Manual []string `toml:"manual"`
	// Warn is what could break; shown before the operation runs.
	Warn string `toml:"warn"`

	Line int `toml:"-"`
}

// Step is a request made before the main one.
type Step struct {
	Request Request           `toml:"request"`
	Done    string            `toml:"done"`
	Save    map[string]string `toml:"save"`
}

// Request is one HTTP request. Path is joined to the service's base URL; URL is
// whole and its host literal or {{host}}.
type Request struct {
	Method string `toml:"method"`
	Path   string `toml:"path"`
	URL    string `toml:"url"`
	// Auth is bearer, basic, header or none. basic takes User and Password
	// (templates; default {{secret}} and nothing); header takes Header and Value
	// (default {{secret}}).
	Auth     string `toml:"auth"`
	User     string `toml:"user"`
	Password string `toml:"password"`
	Header   string `toml:"header"`
	Value    string `toml:"value"`

	Headers map[string]string `toml:"headers"`
	Query   map[string]string `toml:"query"`
	JSON    any               `toml:"json"`
	Form    map[string]string `toml:"form"`
	Body    string            `toml:"body"`
	Type    string            `toml:"type"` // content type of Body
}

// Pace limits requests.
type Pace struct {
	Requests int    `toml:"requests"`
	Per      string `toml:"per"`
	Scope    string `toml:"scope"` // host | account
}
