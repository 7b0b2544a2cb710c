#pragma once
#define NAN __builtin_nanf("")
#define INFINITY __builtin_inff()
extern "C" double fabs(double x);
inline bool isnan(double x) { return __builtin_isnan(x); }
inline bool isinf(double x) { return __builtin_isinf(x); }
inline bool isfinite(double x) { return __builtin_isfinite(x); }
