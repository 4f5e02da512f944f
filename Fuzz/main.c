// libFuzzer brings `main`; this gives the linker something to begin with.
extern int LLVMFuzzerTestOneInput(const unsigned char *, unsigned long);
int (*const infinite_sim_fuzz)(const unsigned char *, unsigned long) = LLVMFuzzerTestOneInput;
