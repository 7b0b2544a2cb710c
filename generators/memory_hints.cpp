// A step of the build between Halide's bitcode and the object, for what Halide 21 cannot say about
// memory: prefetches are into all caches, and stores to BUFFER, if one is named, non-temporal.
//
//     memory_hints KERNEL.bc KERNEL.o [BUFFER]
//
// Halide's prefetches are for data that are used once. On some machines such data are in L1 only,
// and the next stage, which reads them again, would find them in no cache.
//
// A streaming kernel is called with rows as long as whole cache lines, which begin at multiples of
// 16 bytes (runtime/streaming.cpp), and scheduled without tails: every store to the buffer is a
// whole vector. Where one is not, or none is found, an edited schedule has broken that, and this
// fails. So it does where nothing is to be done: such a kernel needs none of this.
//
// LLVM takes a non-temporal store that is less aligned than it is long apart into such of 16 bytes.
// Vectors of 64 bytes go whole where their address is a multiple of it: NHWC would be 0.87 to 0.92
// times as fast in inference and training beyond the cache; those of 32 bytes are as fast apart
// (Zen 5, float32, 2026-11-28).
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

namespace {

llvm::ExitOnError exit_on_error("memory_hints: ");

constexpr uint64_t cache_line = 64, row_alignment = 16;

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
int stream_stores(llvm::Function &function, llvm::StringRef buffer) {
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
        if (bytes == cache_line)
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
        auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction);
        if (call == nullptr || call->getIntrinsicID() != llvm::Intrinsic::prefetch)
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
    if (argc != 3 && argc != 4) {
        llvm::errs() << "usage: memory_hints KERNEL.bc KERNEL.o [BUFFER]\n";
        return 2;
    }
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();

    llvm::LLVMContext context;
    const auto file = exit_on_error(llvm::errorOrToExpected(llvm::MemoryBuffer::getFile(argv[1])));
    const auto module = exit_on_error(llvm::parseBitcodeFile(*file, context));
    const char *const streamed_buffer = argc == 4 ? argv[3] : nullptr;
    int prefetched = 0, streamed = 0;
    for (llvm::Function &function : *module) {
        prefetched += keep_prefetched(function);
        if (streamed_buffer == nullptr)
            continue;
        if (const int count = stream_stores(function, streamed_buffer)) {
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
