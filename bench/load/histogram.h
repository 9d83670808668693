/* Latencies in log-linear buckets: 64 a power of two, so a quantile is right to 1.6 %. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H
#include <stdint.h>
#include <string.h>

#define HISTOGRAM_SUB 64
#define HISTOGRAM_BUCKETS (HISTOGRAM_SUB * 42)

struct histogram {
  uint64_t count[HISTOGRAM_BUCKETS];
  uint64_t total;
  uint64_t max_ns;
};

static inline int histogram_bucket(uint64_t ns) {
  if (ns < HISTOGRAM_SUB) return (int)ns;
  int exponent = 63 - __builtin_clzll(ns);
  int bucket = (exponent - 5) * HISTOGRAM_SUB + (int)((ns >> (exponent - 6)) & (HISTOGRAM_SUB - 1));
  return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static inline double histogram_value(int bucket) {
  if (bucket < HISTOGRAM_SUB) return bucket;
  int exponent = bucket / HISTOGRAM_SUB + 5;
  return (double)(((uint64_t)HISTOGRAM_SUB + (uint64_t)(bucket % HISTOGRAM_SUB)) << (exponent - 6));
}

static inline void histogram_add(struct histogram *h, uint64_t ns) {
  h->count[histogram_bucket(ns)]++;
  h->total++;
  if (ns > h->max_ns) h->max_ns = ns;
}

/* In microseconds; 0 when nothing was recorded. */
static inline double histogram_quantile_us(const struct histogram *h, double quantile) {
  uint64_t wanted = (uint64_t)((double)h->total * quantile), seen = 0;
  if (h->total == 0) return 0;
  for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
    seen += h->count[i];
    if (seen > wanted) return histogram_value(i) / 1e3;
  }
  return (double)h->max_ns / 1e3;
}
#endif
