package fetch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"imgbuild/device/internal/failure"
)

// tokenLimit is more than any token service answers.
const tokenLimit = 256 << 10

// challengeParameter is one of RFC 9110, section 11.2, as registries write them.
var challengeParameter = regexp.MustCompile(`([a-z]+)="([^"]*)"`)

// anonymous asks for what everybody may have: registries let a blob be read by everyone, and want a token that they give to
// everyone. Distribution, "Token Authentication Specification". It is "" where the server did not ask for one, or there is none.
func anonymous(ctx context.Context, response *http.Response) (string, error) {
	scheme, rest, _ := strings.Cut(response.Header.Get("WWW-Authenticate"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", nil
	}
	parameters := url.Values{}
	realm := ""
	for _, each := range challengeParameter.FindAllStringSubmatch(rest, -1) {
		switch each[1] {
		case "realm":
			realm = each[2]
		case "service", "scope":
			parameters.Set(each[1], each[2])
		}
	}
	service, err := url.Parse(realm)
	if err != nil || service.Host == "" || service.Scheme != "https" && response.Request.URL.Scheme == "https" {
		return "", final{failure.Operation("downloading "+Redacted(response.Request.URL.String()),
			"the server sends for a token to an address that is none, or is not encrypted", "see how the server is set up")}
	}
	query := service.Query()
	for key, values := range parameters {
		query[key] = values
	}
	service.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, service.String(), nil)
	if err != nil {
		return "", err
	}
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests {
		return "", fmt.Errorf("the token service at %s answered %s", service.Host, answer.Status)
	}
	if answer.StatusCode != http.StatusOK {
		return "", nil // not for everybody
	}
	var given struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, tokenLimit)).Decode(&given); err != nil {
		return "", fmt.Errorf("the token service at %s gives no token: %w", service.Host, err)
	}
	if given.Token == "" {
		given.Token = given.AccessToken
	}
	return given.Token, nil
}
