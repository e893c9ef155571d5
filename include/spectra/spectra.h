// SPDX-License-Identifier: Apache-2.0
#ifndef SPECTRA_SPECTRA_H
#define SPECTRA_SPECTRA_H
/*
 * Spectra's C API: run a Llama-style model directory, packed or not. C99; a C++ API over it is <spectra/spectra.hpp>.
 *
 * Errors     Functions that can fail return a spectra_status. After a failure spectra_last_error() and spectra_last_hint() say, for
 *            the calling thread, what was wrong and what to do. Whatever a function was to write is then untouched. A NULL where
 *            none is allowed is SPECTRA_USAGE. Nothing is printed, no C++ exception and no signal handler comes out of the library.
 * Ownership  Pointers to const are the caller's and read during the call only. What a function hands out through a pointer to a
 *            pointer belongs to the caller, who frees it with the function named there. Every free function takes NULL.
 * Threads    Every function may be called from any thread. Calls that compute on the same model, through it or through its
 *            sessions, wait for each other; different models compute side by side. Each calling thread gets its own pool of
 *            compute threads, so let few threads call.
 * Tokens     Ids are int32_t, in [0, info->vocab). Text is UTF-8; bytes that are not are read as U+FFFD.
 * ABI        Option structs are filled in by their init function, which records their size: new fields are added at the end, and
 *            programs compiled earlier go on working with a newer library of the same SONAME.
 */
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SPECTRA_API __attribute__((visibility("default")))
#else
#define SPECTRA_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** Outcome of a call; the numbers are the exit codes of the command line tool. */
typedef enum spectra_status {
  SPECTRA_OK = 0,
  SPECTRA_FAILED = 1,    /**< something outside failed, such as reading a file */
  SPECTRA_USAGE = 2,     /**< an argument or option that is NULL or out of range */
  SPECTRA_BAD_INPUT = 3, /**< a model, text or token sequence that cannot be used */
  SPECTRA_REFUSED = 5    /**< would not fit in memory, or in spectra_load_options.kv_bytes */
} spectra_status;

/** "0.1.0". Static. */
SPECTRA_API const char* spectra_version(void);
/** What was wrong in this thread's last call that failed; "" before any. Valid until this thread's next failure. */
SPECTRA_API const char* spectra_last_error(void);
/** What is allowed, or what to do next; may be "". Valid as spectra_last_error(). */
SPECTRA_API const char* spectra_last_hint(void);
/** Frees what spectra_encode() and spectra_decode() handed out. */
SPECTRA_API void spectra_free(void* memory);

/* ---- Models ---------------------------------------------------------------------------------------------------------------- */

/** A model directory in memory, with its tokenizer. */
typedef struct spectra_model spectra_model;

/** What linear layers multiply. fp32 is exact, int8 the fastest on packed models. */
typedef enum spectra_activations {
  SPECTRA_ACTIVATIONS_AUTO = 0, /**< int8 for packed models, else fp32 */
  SPECTRA_ACTIVATIONS_FP32 = 1,
  SPECTRA_ACTIVATIONS_BF16 = 2,
  SPECTRA_ACTIVATIONS_INT8 = 3 /**< packed models only */
} spectra_activations;

typedef struct spectra_load_options {
  size_t size;         /**< set by spectra_load_options_init() */
  int32_t activations; /**< a spectra_activations; AUTO */
  int32_t threads;     /**< compute threads; 0 = all cores */
  uint64_t kv_bytes;   /**< memory for keys and values of all sequences at once; 0 = one sequence of the whole context */
} spectra_load_options;

/** Defaults into *options; `size`: sizeof(*options). */
SPECTRA_API void spectra_load_options_init(spectra_load_options* options, size_t size);

/** What a model is. Read only; lives as long as the model. Later versions may add fields at the end. */
typedef struct spectra_info {
  const char* family;      /**< "float", "ternary", "binary" */
  const char* format;      /**< of the linear layers: "tern2-v1", ..., or "unpacked" */
  int64_t parameters;      /**< number of weights */
  int64_t bytes;           /**< of all tensors as stored */
  int64_t hidden;          /**< width of the residual stream */
  int64_t glu;             /**< width inside the feed-forward */
  int64_t layers;          /**< transformer layers */
  int64_t heads;           /**< attention heads */
  int64_t kv_heads;        /**< heads of keys and values */
  int64_t context;         /**< longest sequence, in tokens */
  int64_t vocab;           /**< number of logits: tokens and padding */
  int64_t tokenizer_vocab; /**< tokens of the tokenizer, at most `vocab`; 0 = the directory has no tokenizer */
  int64_t session_bytes;   /**< memory for keys and values of one sequence of the whole context */
  int64_t kv_bytes;        /**< of all sequences; taken in pages of 64 tokens */
  int32_t bos, eos;        /**< ids that begin and end a text; -1 = none */
  int32_t activations;     /**< the spectra_activations in use, not AUTO */
  int32_t threads;         /**< compute threads in use */
} spectra_info;

/**
 * Loads the model directory `path` (weights are mapped, not read). `options`: NULL = defaults. A directory without tokenizer.json
 * loads too; what needs a tokenizer then fails. Free *model with spectra_model_free().
 * Errors: BAD_INPUT for a directory that is missing, damaged or of another architecture, or int8 for unpacked weights.
 */
SPECTRA_API spectra_status spectra_model_load(const char* path, const spectra_load_options* options, spectra_model** model);
/** Sessions of the model stay usable; its memory goes with the last of them. */
SPECTRA_API void spectra_model_free(spectra_model* model);
/** NULL only for NULL. */
SPECTRA_API const spectra_info* spectra_model_info(const spectra_model* model);

/* ---- Tokens ---------------------------------------------------------------------------------------------------------------- */

/** Flags of spectra_encode(), to be combined with |. */
enum {
  SPECTRA_ENCODE_BOS = 1,  /**< as a prompt: BOS first where the model wants one or the text is empty */
  SPECTRA_ENCODE_PLAIN = 2 /**< "<|endoftext|>" and its like are ordinary text; without this flag they become their special token */
};

/** Ids of `text` (`bytes` long). Free *tokens with spectra_free(). Errors: BAD_INPUT without a tokenizer. */
SPECTRA_API spectra_status spectra_encode(const spectra_model* model, const char* text, size_t bytes, int32_t flags,
                                          int32_t** tokens, size_t* count);
/**
 * The text of `count` tokens, special ones left out, with a final NUL that *bytes does not count. Not always whole UTF-8
 * characters: a token may be a part of one. `bytes` may be NULL. Free *text with spectra_free().
 */
SPECTRA_API spectra_status spectra_decode(const spectra_model* model, const int32_t* tokens, size_t count, char** text,
                                          size_t* bytes);

/* ---- Generation ------------------------------------------------------------------------------------------------------------ */

/** Filters apply in the order of transformers: repetition penalty, temperature, top_k, top_p, min_p. */
typedef struct spectra_generate_options {
  size_t size;               /**< set by spectra_generate_options_init() */
  int64_t max_tokens;        /**< 256 */
  double temperature;        /**< 0 = always the most probable token, and then no filter applies; 0 */
  int64_t top_k;             /**< draw among the k most probable; 0 = all; 0 */
  double top_p;              /**< draw among the most probable that together reach this probability, (0, 1]; 1 = all */
  double min_p;              /**< draw among those at least this fraction as probable as the first, [0, 1]; 0 = all */
  double repetition_penalty; /**< above 1: tokens seen before become less likely; 1 */
  uint64_t seed;             /**< of the draws: the same seed and settings give the same text; 0 */
  const char* const* stops;  /**< the text ends before the first of these `stop_count` strings; NULL */
  size_t stop_count;         /**< 0 */
} spectra_generate_options;

/** Defaults into *options; `size`: sizeof(*options). */
SPECTRA_API void spectra_generate_options_init(spectra_generate_options* options, size_t size);

/** Why a text ended. */
typedef enum spectra_finish {
  SPECTRA_FINISH_STOP = 0,     /**< the model ended it, or a stop string came */
  SPECTRA_FINISH_LENGTH = 1,   /**< max_tokens, or the end of the context */
  SPECTRA_FINISH_CANCELLED = 2 /**< the callback wanted no more */
} spectra_finish;

/** A result. Later versions may add fields at the end. */
typedef struct spectra_generated {
  const char* text; /**< without the prompt; whole UTF-8 characters, then a NUL */
  size_t bytes;     /**< of text, the NUL not counted */
  const int32_t* tokens;
  size_t token_count;     /**< tokens generated, the one that ended the text not counted */
  int64_t prompt_tokens;  /**< BOS counted */
  int32_t finish;         /**< a spectra_finish */
  double prefill_seconds; /**< for the prompt, after which the first token is known */
  double decode_seconds;  /**< for the tokens after the first, callbacks not counted */
} spectra_generated;

/**
 * Gets the text in pieces of whole characters (`bytes` long, then a NUL), as soon as each is certain not to begin a stop string.
 * Returns nonzero to go on, 0 to end. Runs in the thread that called spectra_generate() and may use any function, also on the same
 * model. Must not throw.
 */
typedef int (*spectra_on_text)(const char* text, size_t bytes, void* user);

/**
 * Continues `prompt` (`bytes` long). `options`: NULL = defaults. `on_text`: NULL = none; `user` is passed to it. `result`: NULL
 * where only the callback matters; free *result with spectra_generated_free(). Errors: USAGE for an option out of range; BAD_INPUT
 * for a prompt longer than the context or a model without tokenizer; REFUSED where sequences have used up kv_bytes.
 */
SPECTRA_API spectra_status spectra_generate(spectra_model* model, const char* prompt, size_t bytes,
                                            const spectra_generate_options* options, spectra_on_text on_text, void* user,
                                            spectra_generated** result);
SPECTRA_API void spectra_generated_free(spectra_generated* result);

/* ---- Probabilities --------------------------------------------------------------------------------------------------------- */

typedef struct spectra_token_score {
  float logprob; /**< ln p(token | the tokens before it), softmax over all info->vocab logits */
  int32_t top;   /**< 1 if no token was more probable, else 0; among equals the smallest id counts */
} spectra_token_score;

/**
 * Scores every token but the first by those before it: scores[i], of `count` - 1, belongs to tokens[i + 1]. Put BOS first to score
 * a whole text. Errors: USAGE for fewer than 2 tokens; BAD_INPUT for an id out of range or more than info->context + 1 tokens;
 * REFUSED where sequences have used up kv_bytes.
 */
SPECTRA_API spectra_status spectra_score(spectra_model* model, const int32_t* tokens, size_t count, spectra_token_score* scores);

/* ---- Sessions: loops of your own -------------------------------------------------------------------------------------------- */

/** A sequence of tokens that the model has seen, to be continued or cut back. Empty at first. */
typedef struct spectra_session spectra_session;

/** Free *session with spectra_session_free(). */
SPECTRA_API spectra_status spectra_session_open(spectra_model* model, spectra_session** session);
SPECTRA_API void spectra_session_free(spectra_session* session);
/**
 * Appends `count` > 0 tokens. `logits`: NULL, or room for info->vocab floats, which become the unnormalized log-probabilities of
 * the token after the last one. The same sequence gives the same bits however it was cut into calls and rewound. Errors: USAGE for
 * no tokens; BAD_INPUT for an id out of range or a sequence longer than the context; REFUSED where sequences have used up kv_bytes.
 * The sequence then stays as it was.
 */
SPECTRA_API spectra_status spectra_session_append(spectra_session* session, const int32_t* tokens, size_t count, float* logits);
/** Forgets all but the first `length` tokens. Errors: USAGE where the sequence is shorter. */
SPECTRA_API spectra_status spectra_session_rewind(spectra_session* session, size_t length);
/** Tokens in the sequence; 0 for NULL. */
SPECTRA_API size_t spectra_session_length(const spectra_session* session);

#ifdef __cplusplus
}
#endif

#endif
