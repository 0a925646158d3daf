import Testing

@testable import Tensors

@Suite struct BlasTests {
    private let wide: Set<String> = ["sse2", "avx2", "fma", "avx512f", "avx512bw", "avx512vl"],
        narrow: Set<String> = ["sse2", "avx2", "fma"]

    @Test(
        "A processor that the library does not know, or that is called by an older name, gets kernels of its own width")
    func betterCore() {
        #expect(Blas.betterCore(than: "Prescott", flags: wide) == "SkylakeX")
        #expect(Blas.betterCore(than: "Haswell", flags: wide) == "SkylakeX")
        #expect(Blas.betterCore(than: "Prescott", flags: narrow) == "Haswell")
    }

    @Test("Kernels that suit the processor stay")
    func suitable() {
        for core in ["SkylakeX", "Cooperlake", "SapphireRapids"] {
            #expect(Blas.betterCore(than: core, flags: wide) == nil)
        }
        for core in ["Haswell", "Zen"] { #expect(Blas.betterCore(than: core, flags: narrow) == nil) }
        #expect(Blas.betterCore(than: "Prescott", flags: ["sse2"]) == nil)
    }

    @Test("The kernels in use are as wide as the processor")
    func inUse() {
        Blas.prepare()
        #expect(Blas.betterCore(than: Blas.core, flags: Blas.processorFlags) == nil)
    }
}
