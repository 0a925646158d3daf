import COpenBLAS
import Foundation

/// OpenBLAS set up for work under our own threads.
public enum Blas {
    /// Makes OpenBLAS single-threaded and, where it runs kernels far below what the processor can do, chooses them
    /// again: an inherited OPENBLAS_CORETYPE may name an older core, and a processor newer than the library is taken
    /// for one of 2004 ("Prescott"), which halves the speed of training. Call once, before any worker starts.
    ///
    /// Precedence: `kernel`, the environment variable PRISM_BLAS_KERNEL, automatic.
    /// - Returns: the kernel set in use, e.g. "SkylakeX".
    @discardableResult public static func prepare(kernel: String? = nil) -> String {
        // Kernels must not be chosen again while another thread computes: once, unless asked for by name.
        if let kernel { choose(kernel) } else { _ = ready }
        return core
    }

    private static func choose(_ kernel: String?) {
        let environment = ProcessInfo.processInfo.environment
        var wanted = kernel ?? environment["PRISM_BLAS_KERNEL"]
        if wanted == nil { wanted = betterCore(than: core, flags: processorFlags) }
        if let wanted, wanted.lowercased() != core.lowercased() {
            setenv("OPENBLAS_CORETYPE", wanted, 1)
            gotoblas_dynamic_quit()
            gotoblas_dynamic_init()
        }
        openblas_set_num_threads(1)
    }

    /// Does what `prepare()` does, the first time; every product asks for it.
    public static let ready: Void = choose(nil)

    /// The kernel set OpenBLAS uses now.
    public static var core: String { String(cString: openblas_get_corename()) }

    /// As OpenBLAS states it, e.g. "0.3.21".
    public static var version: String {
        let words = String(cString: openblas_get_config()).split(separator: " ")
        return words.count > 1 && words[0] == "OpenBLAS" ? String(words[1]) : "unknown"
    }

    /// The kernel set to use instead of `core`; nil when that one suits the processor.
    ///
    /// - Parameter flags: what the processor can do, in Linux's words.
    static func betterCore(than core: String, flags: Set<String>) -> String? {
        let wide = ["skylakex", "cooperlake", "sapphirerapids"]
        if flags.isSuperset(of: ["avx512f", "avx512bw", "avx512vl"]) {
            return wide.contains(core.lowercased()) ? nil : "SkylakeX"
        }
        return core.lowercased() == "prescott" && flags.isSuperset(of: ["avx2", "fma"]) ? "Haswell" : nil
    }

    static var processorFlags: Set<String> {
        guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
            let line = text.split(separator: "\n").first(where: { $0.hasPrefix("flags") })
        else { return [] }
        return Set(line.split(separator: " ").map(String.init))
    }
}
