// The server events of the Realtime API, as a client in Go declares them: an integer field takes no 500.0.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

type format struct {
	Type string `json:"type"`
	Rate *int   `json:"rate"`
}

type turnDetection struct {
	Type              string   `json:"type"`
	Threshold         *float64 `json:"threshold"`
	PrefixPaddingMs   *int     `json:"prefix_padding_ms"`
	SilenceDurationMs *int     `json:"silence_duration_ms"`
	IdleTimeoutMs     *int     `json:"idle_timeout_ms"`
	CreateResponse    *bool    `json:"create_response"`
	InterruptResponse *bool    `json:"interrupt_response"`
	Eagerness         *string  `json:"eagerness"`
}

type transcription struct {
	Model    *string `json:"model"`
	Language *string `json:"language"`
	Prompt   *string `json:"prompt"`
}

type tool struct {
	Type        string          `json:"type"`
	Name        *string         `json:"name"`
	Description *string         `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
}

type session struct {
	ID               string   `json:"id"`
	Object           string   `json:"object"`
	Type             *string  `json:"type"`
	Model            *string  `json:"model"`
	Instructions     *string  `json:"instructions"`
	ExpiresAt        *int64   `json:"expires_at"`
	OutputModalities []string `json:"output_modalities"`
	Audio            *struct {
		Input *struct {
			Format        *format        `json:"format"`
			Transcription *transcription `json:"transcription"`
			TurnDetection *turnDetection `json:"turn_detection"`
		} `json:"input"`
		Output *struct {
			Format *format  `json:"format"`
			Voice  *string  `json:"voice"`
			Speed  *float64 `json:"speed"`
		} `json:"output"`
	} `json:"audio"`
	Tools []tool `json:"tools"`
	// Beta.
	Modalities        []string       `json:"modalities"`
	Voice             *string        `json:"voice"`
	InputAudioFormat  *string        `json:"input_audio_format"`
	OutputAudioFormat *string        `json:"output_audio_format"`
	Transcription     *transcription `json:"input_audio_transcription"`
	TurnDetection     *turnDetection `json:"turn_detection"`
	Temperature       *float64       `json:"temperature"`
}

type content struct {
	Type       string  `json:"type"`
	Text       *string `json:"text"`
	Transcript *string `json:"transcript"`
}

type item struct {
	ID        string    `json:"id"`
	Object    string    `json:"object"`
	Type      string    `json:"type"`
	Status    string    `json:"status"`
	Role      *string   `json:"role"`
	Content   []content `json:"content"`
	CallID    *string   `json:"call_id"`
	Name      *string   `json:"name"`
	Arguments *string   `json:"arguments"`
	Output    *string   `json:"output"`
}

type tokens struct {
	CachedTokens *int `json:"cached_tokens"`
	TextTokens   *int `json:"text_tokens"`
	AudioTokens  *int `json:"audio_tokens"`
	ImageTokens  *int `json:"image_tokens"`
}

type usage struct {
	Type              *string  `json:"type"`
	Seconds           *float64 `json:"seconds"`
	TotalTokens       *int     `json:"total_tokens"`
	InputTokens       *int     `json:"input_tokens"`
	OutputTokens      *int     `json:"output_tokens"`
	InputTokenDetails *struct {
		tokens
		CachedTokensDetails *tokens `json:"cached_tokens_details"`
	} `json:"input_token_details"`
	OutputTokenDetails *tokens `json:"output_token_details"`
}

type response struct {
	ID             string            `json:"id"`
	Object         string            `json:"object"`
	Status         string            `json:"status"`
	ConversationID *string           `json:"conversation_id"`
	Output         []item            `json:"output"`
	Metadata       map[string]string `json:"metadata"`
	Usage          *usage            `json:"usage"`
	StatusDetails  *struct {
		Type   string  `json:"type"`
		Reason *string `json:"reason"`
		Error  *struct {
			Type *string `json:"type"`
			Code *string `json:"code"`
		} `json:"error"`
	} `json:"status_details"`
}

type event struct {
	Type           string    `json:"type"`
	EventID        string    `json:"event_id"`
	ItemID         string    `json:"item_id"`
	PreviousItemID *string   `json:"previous_item_id"`
	ResponseID     string    `json:"response_id"`
	OutputIndex    *int      `json:"output_index"`
	ContentIndex   *int      `json:"content_index"`
	AudioStartMs   *int64    `json:"audio_start_ms"`
	AudioEndMs     *int64    `json:"audio_end_ms"`
	Delta          *string   `json:"delta"`
	Text           *string   `json:"text"`
	Transcript     *string   `json:"transcript"`
	Arguments      *string   `json:"arguments"`
	Name           *string   `json:"name"`
	CallID         *string   `json:"call_id"`
	Part           *content  `json:"part"`
	Item           *item     `json:"item"`
	Session        *session  `json:"session"`
	Response       *response `json:"response"`
	Usage          *usage    `json:"usage"`
	Logprobs       []struct {
		Token   string  `json:"token"`
		Logprob float64 `json:"logprob"`
		Bytes   []int   `json:"bytes"`
	} `json:"logprobs"`
	Conversation *struct {
		ID     string `json:"id"`
		Object string `json:"object"`
	} `json:"conversation"`
	RateLimits []struct {
		Name         string  `json:"name"`
		Limit        int     `json:"limit"`
		Remaining    int     `json:"remaining"`
		ResetSeconds float64 `json:"reset_seconds"`
	} `json:"rate_limits"`
	Error *struct {
		Type    string  `json:"type"`
		Code    *string `json:"code"`
		Message string  `json:"message"`
		Param   *string `json:"param"`
		EventID *string `json:"event_id"`
	} `json:"error"`
}

// Prints what is wrong with each event of standard input, one to a line, and at the end the number of events.
func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<26)
	count := 0
	for lines.Scan() {
		var decoded event
		count++
		if err := json.Unmarshal(lines.Bytes(), &decoded); err != nil {
			fmt.Printf("%v in %s\n", err, lines.Bytes())
		} else if decoded.Type == "" || decoded.EventID == "" {
			fmt.Printf("no type or event_id in %s\n", lines.Bytes())
		}
	}
	fmt.Println(count)
}
