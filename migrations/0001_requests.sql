CREATE TABLE `domain_requests` (
	`request_key` text PRIMARY KEY NOT NULL,
	`domain` text NOT NULL,
	`machine_guid` text NOT NULL,
	`action` text NOT NULL,
	`signed_at` integer,
	`recorded_at` integer NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `domain_requests_by_device` ON `domain_requests` (`domain`,`machine_guid`);--> statement-breakpoint
CREATE INDEX `domain_requests_by_age` ON `domain_requests` (`recorded_at`);