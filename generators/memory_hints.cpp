// A step of the build between Halide's bitcode and the object, for what Halide 21 cannot say about
// memory: prefetches are into all caches, and with --halves what is prefetched is loaded as vectors
// of 32 bytes at most; stores to BUFFER, if one is named, are non-temporal, and tensors so loaded.
//
//     memory_hints KERNEL.bc KERNEL.o [BUFFER [--lines] | --halves]
//
// Halide's prefetches are for data that are used once. On some machines such data are in L1 only,
// and the next stage, which reads them again, would find them in no cache.
//
// Of data from memory vectors of 64 bytes are loaded faster in halves. Sums of 25088 rows of 512,
// us: 1107, in halves 965; 16 bytes after a cache line, where each lies in two lines, 2752 and 960
// (with rows in L1 560 and 580). So training in NHWC takes 0.8 to 0.98 of the time, and 0.68 to
// 0.82 where tensors do not begin at a line, backward 0.93 to 1.02 and 0.8 to 0.99; sums of short
// rows in NCHW gain nothing. Streaming kernels load x, z and dy so: inference beyond the cache 0.92
// to 0.99, backward in NHWC 0.97 to 1.0, not at a line 0.92 to 1.0 and 0.88 to 0.91 (Zen 5,
// float32, 2026-11-28).
//
// A streaming kernel stores whole cache lines from a line's begin on (--lines), or rows of so many
// bytes that begin at multiples of 16 (generators/stages.h): every store to the buffer is a whole
// vector. Where one is not, or none is found, an edited schedule has broken that, and this fails.
// So it does where nothing is to be done: such a kernel needs none of this.
//
// LLVM takes a non-temporal store that is less aligned than it is long apart into such of 16 bytes.
// Without --lines vectors of 64 bytes go whole where their address is a multiple of it: NHWC would
// be 0.87 to 0.92 times as fast in inference and training beyond the cache; those of 32 bytes are
// as fast apart (Zen 5, float32, 2026-11-28).
#include <numeric>
#include <vector>

#include <llvm/Analysis/ValueTracking.h>
#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/IntrinsicsX86.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Module.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/Error.h>
#include <llvm/Support/FileSystem.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Transforms/Utils/BasicBlockUtils.h>

#include "agreed.h"

namespace {

using halnorm::cache_line;
using halnorm::row_alignment;

llvm::ExitOnError exit_on_error("memory_hints: ");

[[noreturn]] void fail(const llvm::Twine &message) {
    exit_on_error(llvm::createStringError(message));
    llvm_unreachable("an error exits");
}

// Halide names the buffer in the alias metadata: a node of that name, or nodes below it for
// constant ranges of indices.
bool accesses(const llvm::Instruction &instruction, llvm::StringRef buffer) {
    const llvm::MDNode *node = instruction.getMetadata(llvm::LLVMContext::MD_tbaa);
    while (node != nullptr && node->getNumOperands() > 1) {
        const auto *name = llvm::dyn_cast<llvm::MDString>(node->getOperand(0));
        if (name != nullptr && name->getString() == buffer)
            return true;
        // The tag of an access names its type first; a type names itself and then its parent.
        node = llvm::dyn_cast<llvm::MDNode>(node->getOperand(name == nullptr ? 0 : 1));
    }
    return false;
}

// The load of a cache line as two of half of it, of which LLVM would make one again if they were
// not volatile.
void load_in_halves(llvm::LoadInst *load) {
    auto *const type = llvm::cast<llvm::FixedVectorType>(load->getType());
    llvm::IRBuilder<> builder(load);
    const auto half = [&](uint64_t at) {
        return builder.CreateAlignedLoad(
            llvm::FixedVectorType::getHalfElementsVectorType(type),
            builder.CreateConstGEP1_64(builder.getInt8Ty(), load->getPointerOperand(), at),
            llvm::commonAlignment(load->getAlign(), at), /*isVolatile=*/true);
    };
    llvm::SmallVector<int, 16> all(type->getNumElements());
    std::iota(all.begin(), all.end(), 0);
    load->replaceAllUsesWith(builder.CreateShuffleVector(half(0), half(cache_line / 2), all));
    load->eraseFromParent();
}

// All loads of cache lines that are `from_memory`.
template<typename Wanted>
void load_lines_in_halves(llvm::Function &function, Wanted from_memory) {
    const llvm::DataLayout &layout = function.getDataLayout();
    std::vector<llvm::LoadInst *> lines;
    for (llvm::Instruction &instruction : llvm::instructions(function)) {
        auto *const load = llvm::dyn_cast<llvm::LoadInst>(&instruction);
        if (load != nullptr && load->getType()->isVectorTy() &&
            layout.getTypeStoreSize(load->getType()) == llvm::TypeSize::getFixed(cache_line) &&
            from_memory(*load))
            lines.push_back(load);
    }
    for (llvm::LoadInst *load : lines)
        load_in_halves(load);
}

// The tensors that streaming stages read (generators/forward.cpp and backward.cpp).
bool is_of_a_tensor(const llvm::LoadInst &load) {
    return accesses(load, "x") || accesses(load, "z") || accesses(load, "dy");
}

llvm::IntrinsicInst *as_prefetch(llvm::Instruction &instruction) {
    auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction);
    return call != nullptr && call->getIntrinsicID() == llvm::Intrinsic::prefetch ? call : nullptr;
}

// Whether the block of the load prefetches the same array.
bool is_prefetched(llvm::LoadInst &load) {
    const llvm::Value *array = llvm::getUnderlyingObject(load.getPointerOperand());
    for (llvm::Instruction &instruction : *load.getParent()) {
        const llvm::IntrinsicInst *call = as_prefetch(instruction);
        if (call != nullptr && llvm::getUnderlyingObject(call->getArgOperand(0)) == array)
            return true;
    }
    return false;
}

void make_non_temporal(llvm::StoreInst *store, uint64_t alignment) {
    llvm::LLVMContext &context = store->getContext();
    store->setAlignment(llvm::Align(alignment));
    store->setMetadata(
        llvm::LLVMContext::MD_nontemporal,
        llvm::MDNode::get(context, llvm::ConstantAsMetadata::get(llvm::ConstantInt::get(
                                       llvm::Type::getInt32Ty(context), 1))));
}

// As one store where the address is a multiple of `bytes`, else as several.
void stream_whole_or_apart(llvm::StoreInst *store, uint64_t bytes) {
    llvm::IRBuilder<> builder(store);
    llvm::Value *const address =
        builder.CreatePtrToInt(store->getPointerOperand(), builder.getInt64Ty());
    llvm::Value *const whole =
        builder.CreateICmpEQ(builder.CreateAnd(address, bytes - 1), builder.getInt64(0));
    llvm::Instruction *then_end = nullptr, *else_end = nullptr;
    llvm::SplitBlockAndInsertIfThenElse(whole, store->getIterator(), &then_end, &else_end);
    auto *const apart = llvm::cast<llvm::StoreInst>(store->clone());
    apart->insertBefore(else_end->getIterator());
    make_non_temporal(apart, row_alignment);
    store->moveBefore(then_end->getIterator());
    make_non_temporal(store, bytes);
}

// How many stores of the function became non-temporal.
int stream_stores(llvm::Function &function, llvm::StringRef buffer, bool lines) {
    const llvm::DataLayout &layout = function.getDataLayout();
    std::vector<std::pair<llvm::StoreInst *, uint64_t>> stores;
    for (llvm::Instruction &instruction : llvm::instructions(function)) {
        if (!instruction.mayWriteToMemory() || !accesses(instruction, buffer))
            continue;
        auto *store = llvm::dyn_cast<llvm::StoreInst>(&instruction);
        const bool vector = store != nullptr && store->getValueOperand()->getType()->isVectorTy();
        const uint64_t bytes =
            vector ? layout.getTypeStoreSize(store->getValueOperand()->getType()).getFixedValue() :
                     0;
        if (bytes < row_alignment || cache_line % bytes != 0) {
            std::string text;
            llvm::raw_string_ostream(text) << instruction;
            fail(function.getName() + ": a store to " + buffer + " was" + text +
                 ", should be a whole vector: the schedule has a tail");
        }
        stores.emplace_back(store, bytes);
    }
    for (const auto &[store, bytes] : stores) {
        if (lines)
            make_non_temporal(store, bytes);
        else if (bytes == cache_line)
            stream_whole_or_apart(store, bytes);
        else
            make_non_temporal(store, row_alignment);
    }
    return static_cast<int>(stores.size());
}

// How many prefetches the function has; all of them are into all caches now.
int keep_prefetched(llvm::Function &function) {
    constexpr unsigned locality = 2, all_caches = 3;
    int count = 0;
    for (llvm::Instruction &instruction : llvm::instructions(function)) {
        llvm::IntrinsicInst *const call = as_prefetch(instruction);
        if (call == nullptr)
            continue;
        call->setArgOperand(
            locality, llvm::ConstantInt::get(call->getArgOperand(locality)->getType(), all_caches));
        count++;
    }
    return count;
}

// Non-temporal stores are not ordered with later ones, and so not with what tells another thread
// that the task is done.
void fence_before_returns(llvm::Function &function) {
    for (llvm::BasicBlock &block : function) {
        if (auto *end = llvm::dyn_cast<llvm::ReturnInst>(block.getTerminator()))
            llvm::IRBuilder<>(end).CreateIntrinsic(llvm::Intrinsic::x86_sse_sfence, {});
    }
}

// The number that Halide left in the module for whoever makes the object.
uint64_t setting(const llvm::Module &module, llvm::StringRef name) {
    const auto *value =
        llvm::mdconst::dyn_extract_or_null<llvm::ConstantInt>(module.getModuleFlag(name));
    if (value == nullptr)
        fail(module.getModuleIdentifier() + ": no " + name + ": not Halide 21's bitcode?");
    return value->getZExtValue();
}

// As Halide makes its own objects, so that the bits are those of the ordinary kernel; the module
// has been optimized.
void write_object(llvm::Module &module, const char *path) {
    std::string error;
    const llvm::Triple &triple = module.getTargetTriple();
    const llvm::Target *target = llvm::TargetRegistry::lookupTarget(triple, error);
    if (target == nullptr)
        fail(error);
    llvm::TargetOptions options;
    options.AllowFPOpFusion = setting(module, "halide_per_instruction_fast_math_flags") != 0 ?
                                  llvm::FPOpFusion::Strict :
                                  llvm::FPOpFusion::Fast;
    options.FunctionSections = true;
    // The processor and its features are attributes of each function.
    const std::unique_ptr<llvm::TargetMachine> machine(
        target->createTargetMachine(triple, "", "", options, llvm::Reloc::PIC_,
                                    llvm::CodeModel::Small, llvm::CodeGenOptLevel::Aggressive));
    std::error_code code;
    llvm::raw_fd_ostream out(path, code);
    exit_on_error(llvm::errorCodeToError(code));
    llvm::legacy::PassManager passes;
    if (machine->addPassesToEmitFile(passes, out, nullptr, llvm::CodeGenFileType::ObjectFile))
        fail("no object files for " + triple.str());
    passes.run(module);
}

}  // namespace

int main(int argc, char **argv) {
    const auto given = [&](int i, llvm::StringRef word) { return argc > i && word == argv[i]; };
    const bool halves = given(3, "--halves"), lines = given(4, "--lines");
    if (argc < 3 || argc > (lines ? 5 : 4)) {
        llvm::errs() << "usage: memory_hints KERNEL.bc KERNEL.o [BUFFER [--lines] | --halves]\n";
        return 2;
    }
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();

    llvm::LLVMContext context;
    const auto file = exit_on_error(llvm::errorOrToExpected(llvm::MemoryBuffer::getFile(argv[1])));
    const auto module = exit_on_error(llvm::parseBitcodeFile(*file, context));
    const char *const streamed_buffer = argc > 3 && !halves ? argv[3] : nullptr;
    int prefetched = 0, streamed = 0;
    for (llvm::Function &function : *module) {
        prefetched += keep_prefetched(function);
        if (halves)
            load_lines_in_halves(function, is_prefetched);
        if (streamed_buffer == nullptr)
            continue;
        load_lines_in_halves(function, is_of_a_tensor);
        if (const int count = stream_stores(function, streamed_buffer, lines)) {
            fence_before_returns(function);
            streamed += count;
        }
    }
    if (streamed_buffer != nullptr && streamed == 0)
        fail(llvm::Twine(argv[1]) + ": no store to " + streamed_buffer + " was found");
    if (streamed_buffer == nullptr && prefetched == 0)
        fail(llvm::Twine(argv[1]) + ": no prefetch was found");
    write_object(*module, argv[2]);
    return 0;
}
