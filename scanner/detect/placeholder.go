package detect

import "bytes"

// placeholderWords are words that people write where a key should stand. All are at
// least five letters, so that random keys practically never hold one.
var placeholderWords = []string{
	"example", "sample", "placeholder", "redacted", "changeme", "change_me", "change-me", "dummy",
	"yourkey", "your_", "your-", "yourapi", "yourtoken", "yoursecret", "replace", "insert", "xxxxx", "notreal", "not_real",
	"fakekey", "fake_", "fake-", "todo_", "secretkey", "secret_key", "apikey", "api_key", "token_here", "tokenhere", "key_here", "keyhere",
	"foobar", "hunter2", "deadbeef", "masked", "hidden", "invalid",
}

// placeholder reports whether body, a secret without its public prefix, was made to
// show where a key would stand: a telling word, one character over and over, a
// counted-up alphabet. A valid checksum overrules it.
func placeholder(body []byte) bool {
	if len(body) == 0 {
		return true
	}
	for _, w := range placeholderWords {
		if indexFold(body, w) >= 0 {
			return true
		}
	}
	if bytes.ContainsAny(body, "<>{}") && len(body) < 64 {
		return true
	}
	return repetitive(body) || counted(body) || monotone(body)
}

// monotone reports whether one byte in a row makes up half of the body.
func monotone(body []byte) bool {
	longest, run := 0, 0
	for i := range body {
		if i > 0 && body[i] == body[i-1] {
			run++
		} else {
			run = 1
		}
		longest = max(longest, run)
	}
	return longest >= 8 && longest*2 >= len(body)
}

// repetitive reports whether at most three distinct bytes, or a repeated piece of at
// most a quarter of the length, make up the body.
func repetitive(body []byte) bool {
	var seen [256]bool
	distinct := 0
	for _, c := range body {
		if !seen[c] {
			seen[c] = true
			distinct++
		}
	}
	if distinct <= 3 {
		return true
	}
	for n := 1; n <= len(body)/4; n++ {
		if bytes.Equal(body[n:], body[:len(body)-n]) {
			return true
		}
	}
	return false
}

// counted reports whether half of the body or more is ascending or descending runs
// of at least five ("12345", "abcdef", "zyxwv").
func counted(body []byte) bool {
	total := 0
	for i := 0; i < len(body); {
		j := i + 1
		for j < len(body) && j > i && step(body, j) != 0 && (j == i+1 || step(body, j) == step(body, j-1)) {
			j++
		}
		if j-i >= 5 {
			total += j - i
		}
		i = j
	}
	return total*2 >= len(body)
}

func step(b []byte, i int) int {
	if alnum(b[i]) && alnum(b[i-1]) && (b[i] == b[i-1]+1 || b[i-1] == '9' && b[i] == '0') {
		return 1
	}
	if alnum(b[i]) && alnum(b[i-1]) && b[i]+1 == b[i-1] {
		return -1
	}
	return 0
}
