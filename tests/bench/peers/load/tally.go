package main

// Counting what came of the requests of a run.

import (
	"fmt"
	"strconv"
)

// The statuses HTTP knows are below this.
const statusEnd = 600

// tally is what one connection saw in a run.
type tally struct {
	statuses          [statusEnd]int
	aborted           int
	failures          int
	reconnects        int
	abortedReconnects int
	firstFailure      string
}

func (t *tally) fail(r *request, err error) {
	t.failures++
	if t.firstFailure == "" {
		t.firstFailure = fmt.Sprintf("%v: %v", r, err)
	}
}

// only is the status of a run of one request, 0 where it got none.
func (t *tally) only() int {
	for status, count := range t.statuses {
		if count > 0 {
			return status
		}
	}
	return 0
}

// runAnswer says what came of a run. Requests that were broken off on purpose count among the statuses, as "aborted".
type runAnswer struct {
	ID                string         `json:"id"`
	Requests          int            `json:"requests"`
	Statuses          map[string]int `json:"statuses"`
	Failures          int            `json:"failures"`
	Reconnects        int            `json:"reconnects"`
	AbortedReconnects int            `json:"aborted_reconnects"`
	Seconds           float64        `json:"seconds"`
	FirstFailure      string         `json:"first_failure,omitempty"`
}

func makeRunAnswer(id string, seconds float64, tallies []tally) *runAnswer {
	answer := &runAnswer{ID: id, Seconds: seconds, Statuses: map[string]int{}}
	for i := range tallies {
		t := &tallies[i]
		for status, count := range t.statuses {
			if count > 0 {
				answer.Statuses[strconv.Itoa(status)] += count
				answer.Requests += count
			}
		}
		if t.aborted > 0 {
			answer.Statuses["aborted"] += t.aborted
		}
		answer.Requests += t.aborted + t.failures
		answer.Failures += t.failures
		answer.Reconnects += t.reconnects
		answer.AbortedReconnects += t.abortedReconnects
		if answer.FirstFailure == "" {
			answer.FirstFailure = t.firstFailure
		}
	}
	return answer
}
