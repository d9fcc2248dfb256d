CREATE TABLE `domain_bans` (
	`domain` text NOT NULL,
	`machine_guid` text NOT NULL,
	`device_key_thumbprint` text,
	`reason` text NOT NULL,
	`banned_by` text NOT NULL,
	`banned_at` integer NOT NULL,
	PRIMARY KEY(`domain`, `machine_guid`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `domain_bans_by_device_key` ON `domain_bans` (`domain`,`device_key_thumbprint`);--> statement-breakpoint
CREATE TABLE `domain_log_checkpoints` (
	`domain` text PRIMARY KEY NOT NULL,
	`revision` integer NOT NULL,
	`hash` text,
	`statement` text NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `domain_refusals` (
	`domain` text NOT NULL,
	`hour` integer NOT NULL,
	`error` text NOT NULL,
	`refusals` integer NOT NULL,
	PRIMARY KEY(`domain`, `hour`, `error`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
ALTER TABLE `domain_log` ADD `hash` text;--> statement-breakpoint
ALTER TABLE `domain_membership` ADD `last_renewed_on` integer;--> statement-breakpoint
CREATE INDEX `domain_membership_by_renewal` ON `domain_membership` (`domain`,`last_renewed_on`);