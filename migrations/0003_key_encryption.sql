CREATE TABLE `key_encryption_uses` (
	`kid` text PRIMARY KEY NOT NULL,
	`domain_keys` integer NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
ALTER TABLE `domain_keys` ADD `key_encryption_kid` text;--> statement-breakpoint
CREATE INDEX `domain_keys_by_key_encryption` ON `domain_keys` (`key_encryption_kid`,`domain`,`key_version`);