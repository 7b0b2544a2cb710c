#pragma once
#define AT_HWCAP 16
extern "C" unsigned long getauxval(unsigned long type);
