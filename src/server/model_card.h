// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is known of a served model.
#include "server/fields.h"
#include "server/served_model.h"

namespace spectra::server {

/// An entry of /v1/models: id, object, created, owned_by.
Json model_entry(const ServedModel& model);
/// The entry with a member "spectra": sizes, bits, how it is computed, and of low-bit weights the share of zeros, in all and by
/// layer. It takes long, because it reads all weights.
Json model_card(const ServedModel& model);

}  // namespace spectra::server
