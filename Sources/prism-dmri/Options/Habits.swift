import Foundation

/// Ways of writing options that people bring from other programs.
enum Habits {
    /// `--lambda -0.1` as `--lambda=-0.1`: a word that is a negative number is never an option.
    static func joinNegativeValues(_ arguments: [String]) -> [String] {
        var result: [String] = []
        for word in arguments {
            if let option = result.last, option.hasPrefix("-"), option.count > 1, option != "--", !option.contains("="),
                !isNegativeNumber(option), isNegativeNumber(word)
            {
                result[result.count - 1] = option + "=" + word
            } else {
                result.append(word)
            }
        }
        return result
    }

    private static func isNegativeNumber(_ word: String) -> Bool { word.hasPrefix("-") && Double(word) != nil }

    /// What a user of MRtrix3 or FSL meant, as one sentence; nil when no word looks like theirs.
    /// - Parameter help: the command's help, which lists the options that exist.
    static func advice(_ arguments: [String], help: String) -> String? {
        let known = help.split { $0.isWhitespace || $0 == "," || $0 == "[" || $0 == "]" }
        func exists(_ option: String) -> Bool { known.contains { $0 == option } }
        var meant: [(written: String, target: String)] = []
        for (i, word) in arguments.enumerated() where word.hasPrefix("-") && word.count > 1 {
            let name = word.drop(while: { $0 == "-" }).prefix(while: { $0 != "=" }).lowercased()
                .replacingOccurrences(of: "_", with: "-")
            let written = String(word.prefix(while: { $0 != "=" })),
                next = i + 1 < arguments.count ? arguments[i + 1] : ""
            let isShort = word.count == 2
            let target: String
            switch name {
            case "fslgrad": target = "--bvecs and --bvals"
            case "data" where !exists("--data"), "k": target = "the image without an option before it"
            case "m" where isShort, "b0mask", "brain-mask": target = "--mask"
            case "r" where isShort, "bvec": target = "--bvecs"
            case "bval": target = "--bvals"
            // bedpostx's -b is the burn-in, dtifit's the b-values.
            case "b" where isShort && Double(next) == nil && !next.isEmpty: target = "--bvals"
            case "o" where isShort, "output": target = "--out"
            case "nf", "nfibres": target = "--fibres"
            case "nj", "njumps": target = "--jumps"
            case "bi": target = "--burnin"
            case "se", "sampleevery": target = "--every"
            default:
                guard !word.hasPrefix("--") || word.contains("_"), name.count > 1, exists("--" + name) else { continue }
                target = "--" + name
            }
            guard target.hasPrefix("the image") || target.split(separator: " ").contains(where: { exists(String($0)) }),
                written != target
            else { continue }
            meant.append((written, target))
        }
        guard !meant.isEmpty else { return nil }
        let list = meant.map { "\($0.target) for '\($0.written)'" }
        return "Options here have names of their own: write "
            + (list.count < 2 ? list[0] : list.dropLast().joined(separator: ", ") + " and " + list.last!) + "."
    }
}
