import Foundation
import Files
import Inference

/// How much of a fit's posterior its folder keeps when all files are written.
public enum KeptPosterior: String, Codable, CaseIterable, Sendable {
    case draws, structures, none
}

extension OutputFolder {
    /// The name of the folder in `staging` in which what is kept is made.
    private var lean: String { staging + "/.kept" }

    /// Makes what is to be kept of an archive that lies in `work` or `staging`, and lets it take the place of the
    /// archive when the folder is finished; until then an interrupted run keeps all. Call it right before `finish`.
    /// - Throws: `SafetensorsError`, `OutputFolderError`.
    public func keep(_ what: KeptPosterior, of archive: PosteriorArchive) throws {
        guard what != .draws else { return }
        try? FileManager.default.removeItem(atPath: lean)
        if what == .structures {
            guard mkdir(lean, 0o777) == 0 else { throw OutputFolderError(creating: name, code: errno) }
            for shard in archive.shards { try shard.writeStructures(to: lean) }
        }
        dropPosterior()
        for file in (try? FileManager.default.contentsOfDirectory(atPath: lean)) ?? [] {
            guard rename(lean + "/" + file, staging + "/" + file) == 0 else {
                throw OutputFolderError(creating: name, code: errno)
            }
        }
        rmdir(lean)
    }
}
