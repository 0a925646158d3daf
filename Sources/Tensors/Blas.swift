import COpenBLAS
import Foundation

/// OpenBLAS set up for work under our own threads.
public enum Blas {
    /// Makes OpenBLAS single-threaded and, where the processor has AVX-512 but an inherited OPENBLAS_CORETYPE names an older core, chooses
    /// its kernels again (they are otherwise half as fast). Call once, before any worker starts.
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
        if wanted == nil, environment["OPENBLAS_CORETYPE"] != nil, hasAVX512 { wanted = "SkylakeX" }
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

    private static var hasAVX512: Bool {
        guard let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8) else { return false }
        return text.contains("avx512f") && text.contains("avx512bw") && text.contains("avx512vl")
    }
}
