#pragma once
extern "C" char *getenv(const char *name);
