// SPDX-License-Identifier: Apache-2.0
// Which continuation does a model find most probable? The prompt is read once; the session is cut back to it for every choice.
// Usage: choose MODEL "The cat sat on the" " mat" " moon" " idea"
#include <math.h>
#include <spectra/spectra.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(spectra_status status) {
  if (status == SPECTRA_OK) return;
  fprintf(stderr, "error: %s\n  %s\n", spectra_last_error(), spectra_last_hint());
  exit(status);
}

static double log_probability(const float* logits, size_t vocab, int32_t token) {
  double sum = 0;
  for (size_t i = 0; i < vocab; ++i) sum += exp((double)logits[i] - logits[token]);
  return -log(sum);
}

int main(int argc, char** argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: choose MODEL PROMPT CHOICE CHOICE...\n");
    return SPECTRA_USAGE;
  }
  spectra_model* model;
  spectra_session* session;
  int32_t* prompt;
  size_t length;
  check(spectra_model_load(argv[1], NULL, &model));
  check(spectra_session_open(model, &session));
  check(spectra_encode(model, argv[2], strlen(argv[2]), SPECTRA_ENCODE_BOS, &prompt, &length));

  const size_t vocab = (size_t)spectra_model_info(model)->vocab;
  float* after_prompt = malloc(2 * vocab * sizeof(float));
  float* after_choice = after_prompt + vocab;
  check(spectra_session_append(session, prompt, length, after_prompt));

  for (int i = 3; i < argc; ++i) {
    int32_t* choice;
    size_t count;
    check(spectra_encode(model, argv[i], strlen(argv[i]), 0, &choice, &count));
    check(spectra_session_rewind(session, length));
    double sum = 0;
    for (size_t t = 0; t < count; ++t) {
      sum += log_probability(t == 0 ? after_prompt : after_choice, vocab, choice[t]);
      if (t + 1 < count) check(spectra_session_append(session, choice + t, 1, after_choice));
    }
    printf("%8.3f %s\n", sum, argv[i]);
    spectra_free(choice);
  }
  free(after_prompt);
  spectra_free(prompt);
  spectra_session_free(session);
  spectra_model_free(model);
  return 0;
}
