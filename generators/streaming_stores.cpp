// A step of the build between Halide's bitcode and the object: marks the stores to one buffer as
// non-temporal, which Halide 21 cannot say.
//
//     streaming_stores KERNEL.bc BUFFER KERNEL.o
//
// A streaming kernel is called with rows that are whole cache lines (runtime/streaming.cpp), and
// scheduled without tails: every store to the buffer is a whole vector, aligned to its size. Where
// one is not, or none is found, an edited schedule has broken that, and this fails.
#include <llvm/Bitcode/BitcodeReader.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
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

namespace {

llvm::ExitOnError exit_on_error("streaming_stores: ");

constexpr uint64_t cache_line = 64;

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

// How many stores of the function became non-temporal.
int stream_stores(llvm::Function &function, llvm::StringRef buffer) {
    llvm::MDNode *one = llvm::MDNode::get(function.getContext(),
                                          llvm::ConstantAsMetadata::get(llvm::ConstantInt::get(
                                              llvm::Type::getInt32Ty(function.getContext()), 1)));
    const llvm::DataLayout &layout = function.getDataLayout();
    int count = 0;
    for (llvm::Instruction &instruction : llvm::instructions(function)) {
        if (!instruction.mayWriteToMemory() || !accesses(instruction, buffer))
            continue;
        auto *store = llvm::dyn_cast<llvm::StoreInst>(&instruction);
        const bool vector = store != nullptr && store->getValueOperand()->getType()->isVectorTy();
        const uint64_t bytes =
            vector ? layout.getTypeStoreSize(store->getValueOperand()->getType()).getFixedValue() :
                     0;
        if (bytes < 16 || cache_line % bytes != 0) {
            std::string text;
            llvm::raw_string_ostream(text) << instruction;
            fail(function.getName() + ": a store to " + buffer + " was" + text +
                 ", should be a whole vector: the schedule has a tail");
        }
        store->setAlignment(llvm::Align(bytes));
        store->setMetadata(llvm::LLVMContext::MD_nontemporal, one);
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
    if (argc != 4) {
        llvm::errs() << "usage: streaming_stores KERNEL.bc BUFFER KERNEL.o\n";
        return 2;
    }
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();

    llvm::LLVMContext context;
    const auto file = exit_on_error(llvm::errorOrToExpected(llvm::MemoryBuffer::getFile(argv[1])));
    const auto module = exit_on_error(llvm::parseBitcodeFile(*file, context));
    int count = 0;
    for (llvm::Function &function : *module) {
        if (const int streamed = stream_stores(function, argv[2])) {
            fence_before_returns(function);
            count += streamed;
        }
    }
    if (count == 0)
        fail(llvm::Twine(argv[1]) + ": no store to " + argv[2] + " was found");
    write_object(*module, argv[3]);
    return 0;
}
