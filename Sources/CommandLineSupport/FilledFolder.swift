import Files
import Foundation

extension OutputFolder {
    /// Lets `body` fill the folder given to it, whose files then take their place together; after an error or a signal
    /// nothing of them is left.
    package func fill(_ body: (_ place: String) throws -> Void) throws {
        Interrupt.whenStopped(say: { [name] in "Stopped; \(name) was not written" }, cleanUp: { self.abandon() })
        defer { Interrupt.whenStopped(say: { "Stopped" }) }
        do {
            try begin()
            try body(staging)
            try finish()
        } catch {
            abandon()
            throw named(error)
        }
    }

    /// An error that tells of files by the names that they were to have.
    package func named(_ error: any Error) -> any Error {
        let (message, status) = Failure.describe(error)
        guard message.contains(staging) else { return error }
        return NamedFailure(description: message.replacingOccurrences(of: staging, with: name), exitStatus: status)
    }
}

package struct NamedFailure: CommandFailure {
    package let description: String
    package let exitStatus: ExitStatus
}
